import Glibc
import Synchronization

/// Who traces a disk. While nobody does, a request costs one look at a number that hardly ever
/// changes.
final class DiskTracer: Sendable {
    /// Traces of one disk at a time: each costs every request of the disk.
    static let limit = 16

    private let count = Atomic<Int>(0)
    private let rings = Mutex<[TraceRing]>([])

    @inline(__always)
    var isOn: Bool { count.load(ordering: .relaxed) > 0 }

    func note(_ record: TraceRecord) {
        for ring in rings.withLock({ $0 }) { ring.add(record) }
    }

    /// Throws EBUSY where there are too many.
    func begin() throws(FileError) -> TraceRing {
        try rings.withLock { rings throws(FileError) in
            guard rings.count < Self.limit else {
                throw FileError(EBUSY, "the disk is traced \(Self.limit) times already")
            }
            let ring = TraceRing()
            rings.append(ring)
            count.store(rings.count, ordering: .relaxed)
            return ring
        }
    }

    func leave(_ ring: TraceRing) {
        rings.withLock { rings in
            rings.removeAll { $0 === ring }
            count.store(rings.count, ordering: .relaxed)
        }
    }

    /// Ends all traces there are.
    func end(_ reason: String) {
        let ended = rings.withLock { rings in
            defer { rings = [] }
            count.store(0, ordering: .relaxed)
            return rings
        }
        for ring in ended { ring.end(reason) }
    }
}
