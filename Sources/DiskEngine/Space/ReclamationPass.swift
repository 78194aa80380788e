import DiskFormat

/// One pass over a lineage whose key is in memory. Runs under `Store.passes`; takes `actions` for
/// moments, and a disk's lock for less.
struct ReclamationPass {
    let store: Store
    let lineage: Lineage
    /// Everything that is dead goes, not only what is worth the effort.
    let isUrgent: Bool
    /// Dead blocks that may stay where they are, in chunks that live in part: see `giveBack`.
    private var mayWait = 0

    init(store: Store, lineage: Lineage, isUrgent: Bool) {
        self.store = store
        self.lineage = lineage
        self.isUrgent = isUrgent
    }

    var space: LineageSpace { lineage.space }
    var shouldLeave: Bool { store.reclaimer.shouldLeave }

    /// nil if it was left before its end.
    mutating func run(walking: Bool) throws -> Reclaimed? {
        // A disk whose session is over tells nothing more, and keeps nobody else from telling.
        for disk in disks where !shouldLeave { try? disk.settleDeaths() }
        var reclaimed = Reclaimed()
        if walking {
            guard try walk(&reclaimed) else { return nil }
        } else {
            let died = store.actions.withLock { takeDeaths() }
            note(died)
            mayWait = isUrgent || died.holdsDiscards ? 0 : died.mayWait
            let keepsNone = isUrgent || !store.sealed.gainsBySpares
            try giveBackSpares(beyond: keepsNone ? 0 : died.spareRoom, &reclaimed)
        }
        try giveBack(&reclaimed)
        space.bound()
        store.sealed.reserve.refill()
        return shouldLeave ? nil : reclaimed
    }

    var disks: [Disk] { store.disksAtWork().filter { $0.lineage === lineage } }

    /// What the attached disks tell.
    struct Died {
        fileprivate var runs: [(Disk, [Deaths.Interval])] = []
        fileprivate(set) var protectedFrom: [UInt16: UInt32] = [:]
        /// Whether there were others, that could not be kept.
        var isIncomplete = false
        /// Slots that may be kept to be written again.
        fileprivate(set) var spareRoom = 0
        /// Dead blocks that need not go now, unless any of it was discarded: who discards wants the
        /// space back at once.
        fileprivate(set) var mayWait = 0
        fileprivate(set) var holdsDiscards = false
    }

    /// Called under `actions`, so that no snapshot is between its state and its manifest.
    func takeDeaths() -> Died {
        var died = Died()
        for disk in disks {
            let taken = disk.takeDeaths()
            died.runs.append((disk, taken.dead))
            died.protectedFrom[taken.lane] = taken.protectedFrom
            died.spareRoom += taken.spareRoom
            died.mayWait += taken.mayWait
            if taken.isIncomplete { died.isIncomplete = true }
            if taken.holdsDiscards { died.holdsDiscards = true }
        }
        return died
    }

    func note(_ died: Died) {
        for (lane, sequence) in died.protectedFrom { space.protectedFrom[lane] = sequence }
        for (disk, intervals) in died.runs {
            let slotCount = Int(disk.layout.slotCount)
            for interval in intervals {
                for run in interval.certain { space.die(run, slotCount: slotCount) }
            }
        }
        if died.isIncomplete { space.forget() }
    }

    // MARK: Giving back

    /// Spare chunks, as many as exceed `room` slots: with 0 all of them, and none is kept.
    func giveBackSpares(beyond room: Int, _ reclaimed: inout Reclaimed) throws {
        for spare in lineage.spares.beginPass(room: room) {
            try remove(spare.number, blocks: spare.slots, &reclaimed)
        }
    }

    /// Chunks that died whole; and of others the dead blocks, most first, until as many are left as
    /// may wait. So who overwrites a disk in the order in which it was written finds chunk after
    /// chunk that became a spare with all its space, where it would have been punched when it was
    /// half dead; and of what is overwritten at random more goes in one hole.
    private func giveBack(_ reclaimed: inout Reclaimed) throws {
        var dying: [(number: ChunkNumber, waiting: Int)] = []
        for number in space.candidates where !shouldLeave {
            guard let chunk = space[number] else { continue }
            if chunk.liveCount == 0 {
                try giveBack(number, &reclaimed)
            } else {
                dying.append((number, chunk.waitingCount))
            }
        }
        dying.sort { ($1.waiting, $0.number) < ($0.waiting, $1.number) }
        for (number, _) in dying where space.waitingBlocks > mayWait && !shouldLeave {
            try giveBack(number, &reclaimed)
        }
    }

    func giveBack(_ number: ChunkNumber, _ reclaimed: inout Reclaimed) throws {
        guard var chunk = space[number], isWorthIt(chunk) else { return }
        let file: SealedChunkFile
        do {
            let (header, opened) = try lineage.openHeader(number)
            chunk.correct(slotCount: Int(header.layout.slotCount))
            file = opened
        } catch let error as DiskError where error.code == .damaged {
            // Who reads what still lives in it will say so. Nothing of it can be given back.
            space[number] = nil
            return
        }
        if chunk.liveCount == 0 {
            if lineage.spares.keep(number, slots: chunk.slotCount) {
                lineage.chunks.remove(number)
                space[number] = nil
            } else {
                try delete(number, blocks: chunk.waitingCount, &reclaimed)
            }
            return
        }
        let before = try file.allocated()
        if before > expected(chunk, file.layout) {
            for run in chunk.runsToGiveBack { try file.deallocate(run) }
            reclaimed.bytes += before - min(before, try file.allocated())
        }
        chunk.gaveBack()
        space[number] = chunk
    }

    /// One sixteenth of what lives in a chunk may wait, so that chunks which die slowly are not
    /// looked at for every block.
    private func isWorthIt(_ chunk: ChunkSpace) -> Bool {
        chunk.waitingCount > 0 && (isUrgent || chunk.waitingCount * 16 >= chunk.liveCount)
    }

    /// Bytes that the file takes if what waits was given back before (in an earlier process), or as
    /// good as: file systems count what they need for the holes, too.
    private func expected(_ chunk: ChunkSpace, _ layout: ChunkLayout) -> UInt64 {
        layout.bodiesOffset + UInt64(chunk.liveCount + chunk.waitingCount / 8)
            * UInt64(Format.blockSize)
    }

    func delete(_ number: ChunkNumber, blocks: Int, _ reclaimed: inout Reclaimed) throws {
        lineage.chunks.remove(number)
        try remove(number, blocks: blocks, &reclaimed)
        space[number] = nil
    }

    private func remove(_ number: ChunkNumber, blocks: Int, _ reclaimed: inout Reclaimed) throws {
        try store.sealed.removeChunk(lineage.id, number)
        reclaimed.chunks += 1
        reclaimed.bytes += UInt64(blocks * Format.blockSize)
    }
}
