import DiskFormat
import Synchronization

/// What is counted of the requests of one disk since the mount was made, detached meanwhile or not.
final class DiskCounters: Sendable {
    let read = RequestCounters()
    let write = RequestCounters()
    let flush = RequestCounters()
    let discard = RequestCounters()
    let writeZeroes = RequestCounters()
    private let delays = Atomic<UInt64>(0)
    private let delayNanoseconds = Atomic<UInt64>(0)

    /// With the names that figures show.
    var operations: [(name: String, counts: RequestCounters.Counts)] {
        [
            ("read", read.counts), ("write", write.counts), ("flush", flush.counts),
            ("discard", discard.counts), ("write_zeroes", writeZeroes.counts),
        ]
    }

    /// An answer is held back until `due` (monotonic, nanoseconds) by the disk's speed.
    func delayed(until due: UInt64) {
        let now = monotonicNanoseconds()
        delays.add(1, ordering: .relaxed)
        delayNanoseconds.add(due - min(due, now), ordering: .relaxed)
    }

    var delayed: (count: UInt64, nanoseconds: UInt64) {
        (delays.load(ordering: .relaxed), delayNanoseconds.load(ordering: .relaxed))
    }
}

/// The counters of all disks that were opened, and of what snapshots were read.
final class Counters: Sendable {
    /// Of all snapshots together: there may be thousands.
    let snapshotReads = RequestCounters()
    let sealedReads = RequestCounters()
    private let disks = Mutex<[DiskID: DiskCounters]>([:])

    func of(_ disk: DiskID) -> DiskCounters {
        disks.withLock { disks in
            if let known = disks[disk] { return known }
            let new = DiskCounters()
            disks[disk] = new
            return new
        }
    }

    func forget(_ disk: DiskID) { disks.withLock { $0[disk] = nil } }

    /// By id.
    var all: [(id: DiskID, counters: DiskCounters)] {
        disks.withLock { $0.map { ($0.key, $0.value) } }.sorted { $0.0 < $1.0 }
    }
}
