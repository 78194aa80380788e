import DiskFormat

// A checkpoint is fuzzy: it takes a cut while nothing is in flight, then writes what was dirty at
// the cut, bottom-up, while operations go on and copy the frozen pages that they change. Its root
// is exactly the log's prefix up to the cut.
extension Disk {
    /// What a checkpoint records besides the log's prefix.
    enum CheckpointChange {
        case none
        /// Another size; it counts once it is durable, so no write beyond the old end can be lost.
        case size(UInt64)
        /// Another state in place of the present one (rollback). Precondition: no operation is
        /// under way and none can begin, because the disk is not open.
        case state(DiskState)
    }

    /// Takes a checkpoint of everything logged before the call, makes it durable, and has the
    /// manifest name it. Returns the state it recorded. If it fails, nothing has changed.
    @discardableResult
    func checkpoint(_ change: CheckpointChange = .none) throws -> DiskState {
        defer { anchorCheckpoint() }
        return try monitor.withLock {
            while isCheckpointing {
                try checkAlive()
                monitor.wait()
            }
            isCheckpointing = true
            wantsCheckpoint = false
            defer {
                isCheckpointing = false
                monitor.announce()
                if wantsCheckpoint { monitor.announce(.work) }
            }
            if case .size(let size) = change { try checkGrowth(to: size) }
            let start = lineage.environment.clock.elapsed()
            do {
                let state = try takeCheckpoint(change)
                noteCheckpoint(from: start, isTaken: true)
                return state
            } catch {
                noteCheckpoint(from: start, isTaken: false)
                map.thaw()
                let cause = DiskError.wrap(error, while: "checkpointing disk \(id)")
                checkpointFailure = cause
                throw cause
            }
        }
    }

    private func takeCheckpoint(_ change: CheckpointChange) throws -> DiskState {
        let (cut, size, stored) = try takeCut()
        let state: DiskState
        switch change {
        case .none, .size:
            try writeFrozenPages()
            let recorded = if case .size(let size) = change { size } else { size }
            state = DiskState(
                root: map.rootAddress, size: recorded, storedBlocks: stored,
                session: try lineage.stamp(ofRoot: map.rootAddress))
        case .state(let replacement):
            state = replacement
            // A root for reclamation before the log can lead there: whatever fails from here on,
            // what the disk may come back as stays.
            var announced = manifest
            announced.rollingBackTo = state
            try replaceManifest(announced)
        }
        let reference = try writeCheckpointSlot(state, cut: cut)
        try makeDurable(to: log.reservedTo)
        // From here on the log itself says so, whatever becomes of the manifest.
        if case .state = change { map.replace(root: state.root, storedBlocks: state.storedBlocks) }
        if case .none = change {} else { bytes = state.size }
        var changed = manifest
        // A rollback is in no log: no checkpoint before it can stand in for it.
        changed.checkpoints =
            [reference] + manifest.checkpoints.prefix(manifest.rollingBackTo == nil ? 1 : 0)
        changed.rollingBackTo = nil
        changed.nextSequence = log.nextSequence
        let dropped = manifest.checkpoints.filter { !changed.checkpoints.contains($0) }
        do {
            try replaceManifest(changed)
            for checkpoint in dropped { map.deaths?.add(checkpoint.slot.rawValue) }
        } catch {
            if case .none = change { throw error }
            checkpointFailure = DiskError.wrap(error, while: "checkpointing disk \(id)")
            return state
        }
        checkpointFailure = nil
        return state
    }

    /// The cut: reserving pauses until every reserved slot is published; then what is dirty is
    /// frozen. Returns where replay starts, and size and stored blocks at that moment.
    private func takeCut() throws -> (LogPosition, size: UInt64, stored: UInt64) {
        // The cut is a place in the log, so there must be a chunk.
        try makeChunkReady(for: .bookkeeping)
        log.isPaused = true
        defer {
            log.isPaused = false
            monitor.announce()
        }
        try waitUntilWritten(to: log.reservedTo)
        map.freeze()
        log.changesSinceCut = 0
        // The chunk was made ready above.
        let position = log.position!
        map.deaths?.cut(at: position)
        return (replayedTo ?? position, bytes, map.storedBlocks)
    }

    /// Writes frozen pages level by level, so that a page is written when its children are.
    private func writeFrozenPages() throws {
        var levels = frozenPages()
        // Thousands are let go: not under the lock either.
        defer { monitor.withoutLock { levels = [] } }
        for level in 0...MapGeometry.rootLevel {
            var pages = levels[Int(level)][...]
            while !pages.isEmpty {
                if let page = pages.first, page.isAllHoles {
                    map.written(page, at: .hole)
                    pages.removeFirst()
                    continue
                }
                let run = pages.prefix(Limits.blocksPerRun).prefix { !$0.isAllHoles }
                let slots = try reserve(upTo: run.count, for: .bookkeeping)
                try perform(slots) { sealed in
                    try slots.chunk.cipher.seal(
                        sealed, at: slots.firstSlot, count: slots.count,
                        describe: {
                            .mapPage(
                                level: level, index: run[run.startIndex + $0].id.index,
                                durableSlots: slots.durableSlots)
                        },
                        body: { UnsafeRawPointer(run[run.startIndex + $0].entries) })
                }
                for (index, page) in run.prefix(slots.count).enumerated() {
                    map.written(page, at: slots.address(index))
                }
                complete(slots)
                pages = pages.dropFirst(slots.count)
            }
        }
    }

    /// By level, each in order. Thousands may be frozen: they are sorted without the lock, by what
    /// never changes; nor does what is frozen but by the checkpoint itself.
    private func frozenPages() -> [[MapPage]] {
        let frozen = map.frozen
        return monitor.withoutLock {
            var levels = [[MapPage]](repeating: [], count: Int(MapGeometry.rootLevel) + 1)
            for page in frozen.values { levels[Int(page.id.level)].append(page) }
            return levels.map { $0.sorted { $0.id.index < $1.id.index } }
        }
    }

    private func writeCheckpointSlot(_ state: DiskState, cut: LogPosition) throws
        -> CheckpointReference
    {
        generation += 1
        let record = CheckpointRecord(
            generation: generation, size: state.size, root: state.root,
            storedBlocks: state.storedBlocks, replayFrom: cut, disk: id)
        let body = record.encoded()
        let slots = try reserve(upTo: 1, for: .bookkeeping)
        try perform(slots) { sealed in
            try body.withUnsafeBytes { bytes in
                try slots.chunk.cipher.seal(
                    sealed, at: slots.firstSlot, count: 1,
                    describe: { _ in .checkpoint(durableSlots: slots.durableSlots) },
                    // 4096 bytes by construction.
                    body: { _ in bytes.baseAddress! })
            }
        }
        complete(slots)
        return CheckpointReference(
            generation: record.generation, slot: slots.address(0), state: state,
            replayFrom: cut)
    }

    /// Makes a changed manifest durable, then counts it. Called by whoever holds `isCheckpointing`,
    /// under the lock, which is released meanwhile.
    func replaceManifest(_ changed: DiskManifest) throws {
        let version = manifestVersion + 1
        try monitor.withoutLock {
            let sealed = try changed.sealed(version: version, with: lineage.keys)
            try lineage.store.replaceManifest(StoreLayout.disk(lineage.id, id), with: sealed)
        }
        manifest = changed
        manifestVersion = version
    }

    /// Whether the manifest's newest checkpoint is the disk as it is now. A clean map alone does
    /// not say so: a checkpoint may be in the log without being named.
    var isManifestCurrent: Bool {
        map.dirty.isEmpty && map.frozen.isEmpty && map.rootAddress == manifest.state.root
            && bytes == manifest.state.size
    }

    /// A state of the disk that holds every write acknowledged before the call, in the store in
    /// full: what a snapshot names. The last checkpoint's, if nothing has changed since.
    func stateInStore() throws -> DiskState {
        let current = monitor.withLock { () -> DiskState? in
            !isCheckpointing && log.isQuiet && isManifestCurrent ? manifest.state : nil
        }
        return try current ?? checkpoint()
    }

    /// Whether a checkpoint is wanted that may come later: only for the log's length, and the log
    /// is not twice as long.
    private var mayCheckpointLater: Bool {
        monitor.withLock {
            wantsCheckpoint && !isCheckpointing && log.failure == nil && !supply.isStopping
                && log.changesSinceCut < 2 * lineage.limits.checkpointLogBlocks
                && map.dirty.count < dirtyLimit
        }
    }

    /// The checkpoint thread.
    func checkpointInBackground() {
        monitor.lock()
        while true {
            if wantsCheckpoint, !isCheckpointing, log.failure == nil {
                monitor.withoutLock {
                    lineage.store.awaitLull { mayCheckpointLater }
                }
                // Somebody else may have taken it meanwhile.
                guard wantsCheckpoint, !isCheckpointing else { continue }
                monitor.unlock()
                // A failure is kept in `checkpointFailure`, for the status and for writers that
                // run out of map memory; nothing is lost, the log merely stays longer.
                _ = try? checkpoint()
                monitor.lock()
                continue
            }
            if supply.isStopping { break }
            monitor.wait(for: .work)
        }
        monitor.unlock()
    }
}
