import DiskFormat

/// The part of a disk's log that its last checkpoint does not hold.
struct Replay {
    /// Knows the log's end.
    let scan: LogScan
    let start: LogPosition?
    /// Changes below it are in the checkpoint.
    let cut: BlockAddress
}

// Replay needs no more memory than the same writes did when they were made: when the map has its
// share of dirty pages, a checkpoint is taken whose replay-from is the place reached so far. It
// lies in the new session, behind the whole log, and is as good as any: after a crash it is the
// newest, its state is the log's prefix up to its replay-from, and the rest, up to the end that the
// session recorded, is replayed onto it; the checkpoints in that rest have lower generations.
extension Disk {
    /// Brings the map to the log's end. The disk is not open yet: nothing else changes it.
    ///
    /// Throws `.damaged`, `.io`; `.noSpace` or `.limit` if the dirty pages came to more than all
    /// of the map memory and could not be written out. What this engine writes with the same map
    /// memory never comes so far: its writers wait at half of that.
    func replay(_ replay: Replay) throws {
        var valve = ReplayValve(disk: self, behind: replay.scan.passOver)
        defer { monitor.withLock { replayedTo = nil } }
        _ = try replay.scan.run(from: replay.start) { address, descriptor, _ in
            guard address.rawValue >= replay.cut.rawValue else { return }
            let blocks = descriptor.index..<descriptor.index + descriptor.length
            switch descriptor.kind {
            case .data:
                try valve.makeRoom(at: address)
                try monitor.withLock {
                    try reader.planned { $0.pinLeaves(of: blocks) }
                    map.store(blocks.prefix(1), at: address)
                    map.unpin(blocks)
                }
            case .discard:
                // In parts: one entry of an honest log touches few leaves, but who can tell. A
                // part that a checkpoint holds already is done a second time without harm.
                var block = blocks.lowerBound
                while block < blocks.upperBound {
                    try valve.makeRoom(at: address)
                    block = try monitor.withLock { try replayDiscard(block..<blocks.upperBound) }
                }
            case .checkpoint, .mapPage, .void: break
            }
        }
    }

    /// Returns how far it came.
    private func replayDiscard(_ blocks: Range<BlockNumber>) throws -> BlockNumber {
        let plan = try reader.planned {
            $0.pinForDiscard(blocks, leafLimit: Limits.leavesPerDiscard)
        }
        map.discard(blocks.lowerBound..<plan.end, leaves: plan.leaves)
        return plan.end
    }
}

/// Keeps the dirty pages of a replay below the disk's share of them.
private struct ReplayValve {
    let disk: Disk
    /// The last of the slots that were passed over. A replay that began before it would find it
    /// missing: no checkpoint may lead there.
    private let barrier: UInt64
    private var failure: DiskError?
    /// Dirty pages at which the next attempt is made, after one that failed.
    private var nextAttempt = 0

    init(disk: Disk, behind passedOver: Set<BlockAddress>) {
        self.disk = disk
        barrier = passedOver.map(\.rawValue).max() ?? 0
    }

    /// Called before the change at `address` is made. A store that is full or cannot be written is
    /// no reason to refuse a disk while there is memory for its map.
    mutating func makeRoom(at address: BlockAddress) throws {
        let (dirty, limit) = disk.monitor.withLock { (disk.map.dirty.count, disk.dirtyLimit) }
        guard dirty >= max(limit, nextAttempt) else { return }
        if address.rawValue > barrier {
            do {
                disk.monitor.withLock {
                    disk.replayedTo = LogPosition(chunk: address.chunk, slot: address.slot)
                }
                try disk.checkpoint()
                (failure, nextAttempt) = (nil, 0)
                return
            } catch {
                failure = DiskError.wrap(error, while: "writing out map pages")
                nextAttempt = dirty + limit
            }
        }
        let memory = disk.map.memory
        guard dirty < memory.limitPages else { throw overLimit(memory) }
    }

    private func overLimit(_ memory: MapMemory) -> DiskError {
        let size = memory.limitPages * Format.blockSize >> 20
        let what =
            "replaying the log of disk \(disk.id) takes more than the \(size) MiB of map memory"
        guard let failure else {
            return DiskError(
                .limit,
                "\(what), because its newest checkpoint cannot be read; mount the store with a"
                    + " larger map_memory to attach it")
        }
        return DiskError(
            failure.code,
            "\(what), and they cannot be written out (\(failure.message)); give the store room, or"
                + " mount it with a larger map_memory to attach the disk", cause: failure)
    }
}
