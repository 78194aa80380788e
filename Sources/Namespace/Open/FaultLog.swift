import DiskEngine
import Glibc
import Synchronization

/// Tells the operator of failures on the data path: the first at once, then one line per disk and
/// kind in `interval` at most, for a failing medium fails every request. Each line says how many
/// were not told since the one before.
final class FaultLog: Sendable {
    /// Seconds between two lines of the same kind.
    static let interval = 10.0

    private struct Kind: Hashable {
        let resource: String
        let code: DiskError.Code
    }

    private struct Telling {
        /// When a line was last written, in seconds.
        var last: Double
        var untold = 0
    }

    private let tellings = Mutex<[Kind: Telling]>([:])
    private let now: @Sendable () -> Double
    private let write: @Sendable (String) -> Void

    /// `now` gives seconds of a clock that is never set.
    init(now: @escaping @Sendable () -> Double, _ write: @escaping @Sendable (String) -> Void) {
        self.now = now
        self.write = write
    }

    /// `operation`, `resource` and `offset` (bytes) say what failed where; the error says in which
    /// chunk and why.
    func report(_ error: DiskError, _ operation: String, of resource: String, at offset: UInt64) {
        guard let untold = turn(Kind(resource: resource, code: error.code)) else { return }
        note(
            "\(operation) of \(resource) at byte \(offset) failed: \(error.message)"
                + (untold > 0 ? " (\(untold) more since the last line of this kind)" : ""))
    }

    /// At the end of the mount: how many failures no later line could tell of.
    func tellRest() {
        let rest = tellings.withLock { tellings in
            defer { tellings = [:] }
            return tellings.filter { $0.value.untold > 0 }
        }
        for (kind, telling) in rest {
            note("\(kind.resource): \(telling.untold) more failures (\(kind.code.rawValue))")
        }
    }

    func note(_ text: String) { write("sealdisk: \(text)") }

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
