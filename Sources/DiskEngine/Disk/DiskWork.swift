import DiskFormat
import KeyManagement

/// What an attached disk has done besides its requests, since it was attached.
public struct DiskWork: Sendable, Hashable {
    /// Slots of the log that were filled, those of map pages and checkpoints among them.
    public internal(set) var slots: UInt64 = 0
    /// Chunks that were made for the log, and how many of them out of dead ones.
    public internal(set) var chunks: UInt64 = 0
    public internal(set) var recycledChunks: UInt64 = 0
    /// Rounds of fdatasync: one may serve many flushes.
    public internal(set) var syncs: UInt64 = 0
    /// Checkpoints that were taken, those that failed, and nanoseconds that all took together.
    public internal(set) var checkpoints: UInt64 = 0
    public internal(set) var failedCheckpoints: UInt64 = 0
    public internal(set) var checkpointNanoseconds: UInt64 = 0
    /// When the last was taken; nil: none since the disk was attached.
    public internal(set) var lastCheckpoint: Timestamp?

    /// Bytes of a slot in the log: its body and its entry.
    public static let bytesPerSlot = UInt64(Format.blockSize + Format.entrySize)
}

extension Store {
    /// What the attached disks have done.
    public func diskWork() -> [(id: DiskID, work: DiskWork)] {
        attachedDisks().map { ($0.id, $0.workDone) }
    }
}

extension Disk {
    fileprivate var workDone: DiskWork {
        monitor.withLock {
            var work = work
            work.slots = log.writtenTo
            return work
        }
    }

    /// Counts a checkpoint that began at `start` (`WallClock.elapsed`). Called under the lock.
    func noteCheckpoint(from start: UInt64, isTaken: Bool) {
        let clock = lineage.environment.clock
        work.checkpointNanoseconds += clock.elapsed() - start
        guard isTaken else {
            work.failedCheckpoints += 1
            return
        }
        work.checkpoints += 1
        work.lastCheckpoint = clock.now()
    }
}
