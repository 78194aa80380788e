import DiskFormat
import KeyManagement

// Liveness is derived, never stored: a chunk is dead when no root reaches a slot of it and no
// recovery could need it. Nothing is ever moved.
extension Store {
    /// The roots of a lineage, and below which sequence each lane may be given back.
    private struct Roots {
        var maps: Set<BlockAddress> = []
        var checkpoints: Set<BlockAddress> = []
        /// Per lane of a living disk: the first sequence that recovery may need.
        var protectedFrom: [UInt16: UInt32] = [:]

        /// Throws if the state is of another history: then nothing can be told to be dead.
        mutating func add(_ state: DiskState, of what: String, in lineage: Lineage) throws {
            try lineage.check(state, of: what)
            if !state.root.isHole { maps.insert(state.root) }
        }
    }

    /// Deletes the chunks of a lineage that are wholly dead; returns how many. nil if it could not
    /// be done or finished now, because the lineage's key is not, or must not stay, in memory.
    ///
    /// The chunks are listed first and the roots collected after that, under `actions`: a chunk
    /// made later is no candidate, and whatever can still be reached later is reached from these
    /// roots or lies in a protected part of a log.
    func reclaim(_ id: LineageID) throws -> Int? {
        let open = monitor.withLock { () -> Lineage? in
            catalogue.openLineages[id]?.users += 1
            return catalogue.openLineages[id]?.lineage
        }
        guard let lineage = open else { return nil }
        defer { closeLineage(id) }
        let (lanes, sessionsFrom) = lineage.withManifest { manifest in
            (1..<manifest.nextLane, manifest.nextSession)
        }
        var candidates: [UInt16: [UInt32]] = [:]
        for lane in lanes { candidates[lane] = try sealed.sequences(id, lane: lane) }
        let roots = try actions.withLock { try collectRoots(lineage) }
        let mark = Mark(
            lineage: lineage, memory: memory, shouldLeave: { [reclaimer] in reclaimer.shouldLeave })
        guard var live = try mark.chunks(reachedFrom: roots.maps) else { return nil }
        live.formUnion(roots.checkpoints.map(\.chunk))
        var count = 0
        for (lane, sequences) in candidates {
            let limit = roots.protectedFrom[lane] ?? .max
            let dead = sequences.filter {
                $0 < limit && !live.contains(ChunkNumber(lane: lane, sequence: $0))
            }
            // Before its chunks go: whoever takes it next removes what is still there.
            if roots.protectedFrom[lane] == nil, dead.count == sequences.count {
                try free(lane, of: lineage, nextSequence: (sequences.last ?? 0) + 1)
            }
            for sequence in dead where !reclaimer.shouldLeave {
                let number = ChunkNumber(lane: lane, sequence: sequence)
                lineage.chunks.remove(number)
                try sealed.removeChunk(id, number)
                count += 1
            }
        }
        // What is left over is dead all the same, and asked for again.
        if reclaimer.shouldLeave { return nil }
        try prune(lineage, before: sessionsFrom, keeping: live, roots)
        return count
    }

    /// Session records of which no chunk is reached, is there, or could be needed by a recovery.
    /// What is reached and missing keeps its record: it may be put back from a copy.
    /// Sessions from `limit` on began after the roots were collected, and are left alone.
    private func prune(
        _ lineage: Lineage, before limit: UInt64, keeping live: Set<ChunkNumber>, _ roots: Roots
    ) throws {
        var needed = live
        for lane in try sealed.lanes(lineage.id) {
            for sequence in try sealed.sequences(lineage.id, lane: lane) {
                needed.insert(ChunkNumber(lane: lane, sequence: sequence))
            }
        }
        let table = lineage.table
        let owners = Set(needed.compactMap { table.owner(of: $0)?.number })
        try lineage.prune { session in
            session.number >= limit || owners.contains(session.number)
                || session.endSequence > roots.protectedFrom[session.lane] ?? .max
        }
    }

    /// Under `actions`, as lanes are taken: since the roots were collected a new disk may have
    /// taken this one, if an earlier pass had freed it.
    private func free(_ lane: UInt16, of lineage: Lineage, nextSequence: UInt32) throws {
        let isFree = lineage.withManifest { $0.freeLanes.contains { $0.lane == lane } }
        if isFree { return }
        try actions.withLock {
            let isTaken = monitor.withLock {
                catalogue.disks.values.contains {
                    $0.lineage == lineage.id && $0.manifest.lane == lane
                }
            }
            // A lane whose numbers are used up is never taken again.
            if !isTaken, nextSequence < ChunkNumber.maximumSequence {
                try lineage.giveBack(lane, nextSequence: nextSequence)
            }
        }
    }

    /// Called under `actions`. Every manifest is read and verified anew: nothing is given back on
    /// the word of one that is not authentic.
    private func collectRoots(_ lineage: Lineage) throws -> Roots {
        var roots = Roots()
        // As listed in the store, not in the catalogue: that leaves out what could not be read, and
        // what cannot be read now must end this, not be given back.
        let disks = try sealed.list(StoreLayout.disks(lineage.id))
            .compactMap { Self.id($0.name, DiskID.init) }
        let snapshots = try sealed.list(StoreLayout.snapshots(lineage.id))
            .compactMap { Self.id($0.name, SnapshotID.init) }
        for id in disks {
            let (manifest, _) = try sealed.readManifest(StoreLayout.disk(lineage.id, id), .disk)
                .disk(id, with: lineage.keys)
            try roots.add(manifest.origin, of: id.text, in: lineage)
            if let state = manifest.rollingBackTo { try roots.add(state, of: id.text, in: lineage) }
            for checkpoint in manifest.checkpoints {
                try roots.add(checkpoint.state, of: id.text, in: lineage)
                roots.checkpoints.insert(checkpoint.slot)
            }
            // Nothing at or after the replay-from of the older of its checkpoints (there is one
            // only after the first, or a rollback); without any, nothing at all.
            roots.protectedFrom[manifest.lane] =
                manifest.checkpoints.last?.replayFrom.chunk.sequence ?? 0
        }
        for id in snapshots {
            try roots.add(verified(id, in: lineage).state, of: id.text, in: lineage)
        }
        return roots
    }
}

/// Walks maps from their roots, each shared page once.
private struct Mark {
    let lineage: Lineage
    let memory: MapMemory
    let shouldLeave: () -> Bool

    /// The chunks with a live slot; nil if the work was to be left before its end.
    func chunks(reachedFrom roots: Set<BlockAddress>) throws -> Set<ChunkNumber>? {
        var live: Set<ChunkNumber> = []
        var visited: Set<BlockAddress> = []
        for root in roots { try visit(.root, at: root, &visited, &live) }
        return shouldLeave() ? nil : live
    }

    private func visit(
        _ id: PageID, at address: BlockAddress, _ visited: inout Set<BlockAddress>,
        _ live: inout Set<ChunkNumber>
    ) throws {
        guard !shouldLeave(), visited.insert(address).inserted else { return }
        live.insert(address.chunk)
        let page = MapPage(id, memory: memory)
        try lineage.readMapPage(page, at: address)
        for entry in 0..<MapGeometry.fanOut where page.entries[entry] != 0 {
            let below = BlockAddress(rawValue: page.entries[entry])
            if id.level == 0 {
                live.insert(below.chunk)
            } else {
                let index = id.index << MapGeometry.fanOutBits | UInt64(entry)
                try visit(PageID(level: id.level - 1, index: index), at: below, &visited, &live)
            }
        }
    }
}
