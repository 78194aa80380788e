import DiskEngine
import Glibc
import Logging
import Synchronization

/// Tells the operator of failures on the data path: the first at once, then one line per disk and
/// kind in `interval` at most, for a failing medium fails every request. Each line says how many
/// were not told since the one before, and bears what a program may look for as metadata:
///
/// | key | value |
/// |---|---|
/// | `disk` or `snapshot` | its id |
/// | `file` | `sealed`, if it was the snapshot's sealed file |
/// | `operation` | `read`, `write`, `flush`, `discard`, `write zeroes`, `seek` |
/// | `offset` | bytes |
/// | `code` | the engine's word for the failure: `io`, `damaged`, `noSpace` … |
/// | `chunk` | the chunk's file in the store's folder, if it was met in one |
/// | `cause` | what is underneath, in words |
/// | `untold` | how many more there were since the last line of this kind |
final class FaultLog: Sendable {
    /// Seconds between two lines of the same kind.
    static let interval = 10.0

    /// What failed.
    enum Resource: Hashable, CustomStringConvertible {
        /// By id.
        case disk(String)
        case snapshot(String)
        case sealedSnapshot(String)

        var description: String {
            switch self {
            case .disk(let id): "disk \(id)"
            case .snapshot(let id): "snapshot \(id)"
            case .sealedSnapshot(let id): "sealed snapshot \(id)"
            }
        }

        fileprivate var metadata: Logger.Metadata {
            switch self {
            case .disk(let id): ["disk": "\(id)"]
            case .snapshot(let id): ["snapshot": "\(id)"]
            case .sealedSnapshot(let id): ["snapshot": "\(id)", "file": "sealed"]
            }
        }
    }

    private struct Kind: Hashable {
        let resource: Resource
        let code: DiskError.Code
    }

    private struct Telling {
        /// When a line was last written, in seconds.
        var last: Double
        var untold = 0
    }

    private let tellings = Mutex<[Kind: Telling]>([:])
    private let now: @Sendable () -> Double
    let logger: Logger

    /// `now` gives seconds of a clock that is never set.
    init(now: @escaping @Sendable () -> Double, _ logger: Logger) {
        self.now = now
        self.logger = logger
    }

    /// `operation`, `resource` and `offset` (bytes) say what failed where; the error says in which
    /// chunk and why.
    func report(_ error: DiskError, _ operation: String, of resource: Resource, at offset: UInt64) {
        guard let untold = turn(Kind(resource: resource, code: error.code)) else { return }
        var metadata = resource.metadata
        metadata["operation"] = "\(operation)"
        metadata["offset"] = "\(offset)"
        metadata["code"] = "\(error.code.rawValue)"
        metadata["chunk"] = error.chunk.map { "\($0)" }
        metadata["cause"] = "\(error.rootCause)"
        if untold > 0 { metadata["untold"] = "\(untold)" }
        logger.error(
            "\(operation) of \(resource) at byte \(offset) failed: \(error.message)\(more(untold))",
            metadata: metadata)
    }

    private func more(_ untold: Int) -> String {
        untold > 0 ? " (\(untold) more since the last line of this kind)" : ""
    }

    /// At the end of the mount: how many failures no later line could tell of.
    func tellRest() {
        let rest = tellings.withLock { tellings in
            defer { tellings = [:] }
            return tellings.filter { $0.value.untold > 0 }
        }
        for (kind, telling) in rest {
            var metadata = kind.resource.metadata
            metadata["code"] = "\(kind.code.rawValue)"
            metadata["untold"] = "\(telling.untold)"
            logger.error(
                "\(kind.resource): \(telling.untold) more failures (\(kind.code.rawValue))",
                metadata: metadata)
        }
    }

    func note(_ text: String) { logger.error("\(text)") }

    /// How many of the kind were not told before this one; nil if it is not to be told either.
    private func turn(_ kind: Kind) -> Int? {
        let now = now()
        return tellings.withLock { tellings in
            if let before = tellings[kind], now < before.last + Self.interval {
                tellings[kind] = Telling(last: before.last, untold: before.untold + 1)
                return nil
            }
            defer { tellings[kind] = Telling(last: now) }
            return tellings[kind]?.untold ?? 0
        }
    }
}

/// Seconds of a clock that is never set.
@Sendable public func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
