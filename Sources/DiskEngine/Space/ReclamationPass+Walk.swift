import DiskFormat

// The walk of all maps of a lineage: what it does not reach is dead.
//
// The chunks are listed first and the roots collected after that, under `actions`: a chunk made
// later is no candidate, and whatever can still be reached later is reached from these roots or
// lies in a protected part of a log. There may be more chunks than their bitmaps have room in
// memory: then the maps are walked once for each part of them, and nothing is kept.
extension ReclamationPass {
    private typealias Candidates = [ChunkNumber]

    /// False if it was left before its end.
    func walk(_ reclaimed: inout Reclaimed) throws -> Bool {
        try giveBackSpares(beyond: 0, &reclaimed)
        let (lanes, sessionsFrom) = lineage.withManifest { ($0.nextLane, $0.nextSession) }
        var existing: Candidates = []
        for lane in 1..<lanes {
            existing += try store.sealed.sequences(lineage.id, lane: lane).map {
                ChunkNumber(lane: lane, sequence: $0)
            }
        }
        let collected = try store.actions.withLock {
            try store.collectRoots(lineage, while: { !shouldLeave }).map { ($0, takeDeaths()) }
        }
        guard let (roots, died) = collected else { return false }
        // Before what the walk tells, which replaces it: a chunk that goes must not come back here.
        note(died)
        let candidates = existing.filter(roots.isUnprotected)
        let parts = parts(of: candidates, roots)
        var shared: [UInt16: UInt64] = [:]
        var reached: Set<ChunkNumber> = []
        for part in parts {
            let mark = Mark(
                lineage, memory: store.memory, chunks: part.first.map { $0...part.last! },
                shouldLeave: { [reclaimer = store.reclaimer] in reclaimer.shouldLeave })
            guard try mark.add(roots.shared) else { return false }
            for lane in roots.protectedFrom.keys { shared[lane] = mark.highest(inLane: lane) }
            guard try mark.add(roots.own) else { return false }
            mark.add(slots: roots.checkpoints)
            if reached.isEmpty {
                reached = Set(mark.reachedChunks)
                try freeLanes(of: existing, reached, roots)
            }
            try note(part, mark, roots, keeping: parts.count == 1, &reclaimed)
            if shouldLeave { return false }
        }
        space.protectedFrom = roots.protectedFrom.merging(died.protectedFrom) { max($0, $1) }
        space.marked(isComplete: parts.count == 1 && !died.isIncomplete)
        lowerBounds(to: shared)
        try prune(before: sessionsFrom, keeping: reached, roots)
        return true
    }

    /// Consecutive candidates, as many at a time as there is memory for their slots.
    private func parts(of candidates: Candidates, _ roots: Roots) -> [ArraySlice<ChunkNumber>] {
        let slots = roots.slotsPerChunk.values.max() ?? Int(ChunkLayout.maximumSlots)
        let bytes = LineageSpace.limit(of: store.memory) * Format.blockSize
        let most = min(store.limits.chunksPerWalk, max(16, bytes / max(8, slots / 8)))
        // One at least: it tells what is reached, if there is nothing to give back either.
        return stride(from: 0, to: max(1, candidates.count), by: most).map {
            candidates[$0..<min($0 + most, candidates.count)]
        }
    }

    /// Takes down what the walk found of a part of the chunks. If it cannot be kept it is given
    /// back at once.
    private func note(
        _ part: ArraySlice<ChunkNumber>, _ mark: Mark, _ roots: Roots, keeping: Bool,
        _ reclaimed: inout Reclaimed
    ) throws {
        for number in part where !shouldLeave {
            let usual = roots.slotsPerChunk[number.lane]
            guard let live = mark.live(number), live.count > 0 else {
                if lineage.spares.holds(number) { continue }
                let blocks = space[number].map { $0.liveCount + $0.waitingCount }
                try delete(number, blocks: blocks ?? usual ?? 0, &reclaimed)
                continue
            }
            if live.count == usual {
                space[number] = nil
                continue
            }
            let slotCount = try usual ?? Int(lineage.openHeader(number).0.layout.slotCount)
            space[number] = ChunkSpace(slotCount: slotCount, live: live, after: space[number])
            if !keeping {
                try giveBack(number, &reclaimed)
                space[number] = nil
            }
        }
    }

    /// From now on what an attached disk stops reaching is known to be dead if it was written after
    /// all that others reach. Snapshots that were taken meanwhile count with their roots: nothing
    /// that one reaches in the disk's lane was written after its root.
    private func lowerBounds(to shared: [UInt16: UInt64]) {
        store.actions.withLock {
            let snapshots = store.monitor.withLock {
                store.catalogue.snapshots.values.filter { $0.lineage == lineage.id }
                    .map(\.manifest.state.root)
            }
            for disk in disks {
                let lane = disk.monitor.withLock { disk.manifest.lane }
                guard let walked = shared[lane] else { continue }
                let taken = snapshots.lazy.filter { !$0.isHole && $0.chunk.lane == lane }
                    .map(\.rawValue).max()
                disk.setDeathsBound(max(walked, taken ?? 0))
            }
        }
    }

    // MARK: Lanes and sessions

    /// Lanes without a disk, of which nothing is reached. Before their chunks go: whoever takes one
    /// next removes what is still there.
    private func freeLanes(of existing: Candidates, _ reached: Set<ChunkNumber>, _ roots: Roots)
        throws
    {
        var last: [UInt16: UInt32] = [:]
        var used: Set<UInt16> = []
        for number in existing where roots.protectedFrom[number.lane] == nil {
            last[number.lane] = max(last[number.lane, default: 0], number.sequence)
            if reached.contains(number) { used.insert(number.lane) }
        }
        for (lane, sequence) in last where !used.contains(lane) {
            try free(lane, nextSequence: sequence + 1)
        }
    }

    /// Under `actions`, as lanes are taken: since the roots were collected a new disk may have
    /// taken this one, if an earlier pass had freed it.
    private func free(_ lane: UInt16, nextSequence: UInt32) throws {
        let isFree = lineage.withManifest { $0.freeLanes.contains { $0.lane == lane } }
        if isFree { return }
        try store.actions.withLock {
            let isTaken = store.monitor.withLock {
                store.catalogue.disks.values.contains {
                    $0.lineage == lineage.id && $0.manifest.lane == lane
                }
            }
            // A lane whose numbers are used up is never taken again.
            if !isTaken, nextSequence < ChunkNumber.maximumSequence {
                try lineage.giveBack(lane, nextSequence: nextSequence)
            }
        }
    }

    /// Session records of which no chunk is reached, is there, or could be needed by a recovery.
    /// What is reached and missing keeps its record: it may be put back from a copy.
    /// Sessions from `limit` on began after the roots were collected, and are left alone. So is the
    /// one that the anchor knows of each disk: by its salt a fork is told from the store. While the
    /// anchor cannot be written, and may know an older one, all stay.
    private func prune(
        before limit: UInt64, keeping reached: Set<ChunkNumber>, _ roots: Roots
    ) throws {
        guard let anchored = try? lineage.anchoredSessions() else { return }
        var needed = reached
        for lane in try store.sealed.lanes(lineage.id) {
            for sequence in try store.sealed.sequences(lineage.id, lane: lane) {
                needed.insert(ChunkNumber(lane: lane, sequence: sequence))
            }
        }
        let table = lineage.table
        let owners = Set(needed.compactMap { table.owner(of: $0)?.number })
        try lineage.prune { session in
            session.number >= limit || owners.contains(session.number)
                || anchored.contains(session.number)
                || session.endSequence > roots.protectedFrom[session.lane] ?? .max
        }
    }
}
