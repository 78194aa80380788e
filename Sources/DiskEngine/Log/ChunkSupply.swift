import DiskFormat

/// What is asked of the thread that prepares a disk's chunks. Guarded by the disk's monitor.
final class ChunkSupply {
    /// Requests so far, and how many of them an attempt that began later has answered.
    var requested = 0
    var served = 0
    /// A discard or checkpoint waits: the reserve may be used.
    var mayUseReserve = false
    /// Why the last attempt failed; nil if it succeeded.
    var failure: DiskError?
    var isStopping = false
    /// The session's record, once it is durable, until the session is open.
    var begun: LineageManifest.Session?
}

/// What slots are reserved for: data, or what must be possible on a full store too.
enum SlotPurpose {
    case data, bookkeeping
}

extension Disk {
    /// Reserves up to `count` consecutive slots. Called under the lock, which is released while
    /// waiting. May return fewer slots.
    func reserve(upTo count: Int, for purpose: SlotPurpose) throws -> Reservation {
        try makeChunkReady(for: purpose)
        return log.reserve(upTo: count)
    }

    /// Opens the session and its next chunk as needed: when this returns, the active chunk has a
    /// free slot and nothing is paused. Called under the lock, which is released while waiting.
    func makeChunkReady(for purpose: SlotPurpose) throws {
        while true {
            try checkAlive()
            if log.isPaused || log.isOpeningSession || log.isPreparing {
                monitor.wait()
            } else if log.session == nil {
                try openSession()
            } else if let active = log.active, !active.isFull {
                if purpose == .bookkeeping || !active.isFromReserve { return }
                try leaveReserve(active)
            } else if let next = log.next, log.closed.count < lineage.limits.unsyncedChunks {
                log.next = nil
                log.activate(next)
                monitor.announce(.work)
                monitor.announce()
            } else if log.next != nil {
                // Until the supply thread has synced a closed chunk.
                monitor.announce(.work)
                monitor.wait()
            } else {
                try requestChunk(for: purpose)
            }
        }
    }

    /// Asks for the next chunk, and once more if there was no space for data and some was found.
    private func requestChunk(for purpose: SlotPurpose) throws {
        do {
            try requestOneChunk(for: purpose)
        } catch let error as DiskError where error.code == .noSpace && purpose == .data {
            guard monitor.withoutLock(onShortage) else { throw error }
            if log.next == nil { try requestOneChunk(for: purpose) }
        }
    }

    /// Asks for the next chunk and waits for an attempt that began after the request.
    private func requestOneChunk(for purpose: SlotPurpose) throws {
        supply.requested += 1
        let request = supply.requested
        if purpose == .bookkeeping { supply.mayUseReserve = true }
        monitor.announce(.work)
        let active = log.active
        while log.next == nil, log.active === active, supply.served < request {
            try checkAlive()
            monitor.wait()
        }
        // A chunk that was made for this may be in use by now, and another attempt have failed.
        if log.next == nil, log.active === active, let failure = supply.failure { throw failure }
    }

    /// Data may go on only if the reserve is whole again.
    private func leaveReserve(_ chunk: LogChunk) throws {
        let isWhole = monitor.withoutLock {
            lineage.store.reserve.refill() || onShortage() && lineage.store.reserve.refill()
        }
        guard isWhole else {
            throw DiskError(
                .noSpace,
                "the store is full; delete disks or snapshots, discard (fstrim), or give it room")
        }
        chunk.isFromReserve = false
    }

    /// Records the session durably, before anything is sealed in it. Called under the lock, which
    /// is released meanwhile.
    private func openSession() throws {
        log.isOpeningSession = true
        let lane = manifest.lane
        let floor = manifest.nextSequence
        defer {
            log.isOpeningSession = false
            monitor.announce(.work)
            monitor.announce()
        }
        let existing = try monitor.withoutLock {
            try lineage.store.sequences(lineage.id, lane: lane)
        }
        let end = previousEnd?.chunk.sequence ?? 0
        // A record that is durable already serves the next attempt too.
        let session =
            try supply.begun
            ?? monitor.withoutLock {
                try lineage.beginSession(
                    of: id, lane: lane, floor: max(floor, (existing.last ?? 0) + 1, end + 1),
                    previousEnd: previousEnd)
            }
        supply.begun = session
        // What lies behind the end of the log was never part of it.
        try monitor.withoutLock {
            for sequence in existing where sequence > end {
                let stray = ChunkNumber(lane: lane, sequence: sequence)
                lineage.chunks.remove(stray)
                try lineage.store.removeChunk(lineage.id, stray)
            }
        }
        log.session = session
        log.nextSequence = session.firstSequence
        // What this session writes nobody has seen yet.
        let first = ChunkNumber(lane: lane, sequence: session.firstSequence)
        map.deaths?.setBound(BlockAddress(chunk: first, slot: 0).rawValue - 1, isExact: false)
    }

    /// The supply thread: prepares the next chunk ahead of use, and syncs those that are full.
    func supplyChunks() {
        monitor.withLock {
            while true {
                if wantsChunk {
                    prepareChunk()
                } else if let full = log.closed.first, log.failure == nil, !log.isSyncing,
                    log.writtenTo >= full.end
                {
                    // Failing ends the session, which every later operation reports. What the
                    // medium refuses for now is asked for again by who waits for it, and at the
                    // disk's end: others get the lock in between.
                    let isDone: Void? = try? makeDurable(to: full.end)
                    if isDone != nil { continue }
                    if supply.isStopping { return }
                    if !wantsChunk { monitor.wait(for: .work) }
                } else if supply.isStopping {
                    return
                } else {
                    monitor.wait(for: .work)
                }
            }
        }
    }

    private var wantsChunk: Bool {
        guard log.session != nil, log.next == nil, log.failure == nil else { return false }
        if supply.requested > supply.served { return true }
        return supply.failure == nil && !supply.isStopping
    }

    /// Called under the lock, which is released meanwhile.
    private func prepareChunk() {
        guard let session = log.session else { return }
        let request = supply.requested
        let mayUseReserve = supply.mayUseReserve
        supply.mayUseReserve = false
        let predecessor =
            log.active.map { LogPosition(chunk: $0.number, slot: $0.slotCount) }
            ?? session.previousEnd
        do {
            let number = try nextNumber(of: session)
            let header = ChunkHeader(
                suite: lineage.keys.suite, layout: layout, lineage: lineage.id, number: number,
                session: session.number, salt: session.salt.bytes, predecessor: predecessor,
                durable: log.durablePosition ?? session.previousEnd)
            let chunk = try monitor.withoutLock {
                try createChunk(header, mayUseReserve: mayUseReserve)
            }
            log.next = chunk
            work.chunks += 1
            if chunk.preparedSlots > 0 { work.recycledChunks += 1 }
            supply.failure = nil
        } catch {
            supply.failure = DiskError.wrap(error, while: "creating a chunk of disk \(id)")
        }
        supply.served = request
        monitor.announce()
    }

    /// The number of the session's next chunk. The session owns it, durably; it is given out once,
    /// whatever becomes of it. Called under the lock, which is released meanwhile.
    private func nextNumber(of session: LineageManifest.Session) throws -> ChunkNumber {
        if log.nextSequence >= session.endSequence {
            log.session = try monitor.withoutLock { try lineage.extend(session) }
        }
        defer { log.nextSequence += 1 }
        return ChunkNumber(lane: session.lane, sequence: log.nextSequence)
    }

    /// From the reserve a chunk is small, so that the reserve lasts for several.
    private func createChunk(_ header: ChunkHeader, mayUseReserve: Bool) throws -> LogChunk {
        do {
            return try lineage.store.reserve.whileNothingIsLent {
                try createChunk(header, isFromReserve: false)
            }
        } catch let error as DiskError where error.code == .noSpace && mayUseReserve {
            return try lineage.store.reserve.lend {
                try createChunk(
                    header.with(layout: layout.atMost(Limits.reserveChunkSlots)),
                    isFromReserve: true)
            }
        }
    }

    /// Creates the file with its header, durably. A failing medium may leave it behind; recovery
    /// passes over a chunk whose successor does not continue it.
    private func createChunk(_ header: ChunkHeader, isFromReserve: Bool) throws -> LogChunk {
        let number = header.number
        do {
            // Before there is a file that would have to go if this failed.
            let cipher = try lineage.cipher(for: header)
            let (file, isRecycled) = try makeFile(header, isFromReserve: isFromReserve)
            lineage.chunks.insert(OpenChunk(number: number, file: file, cipher: cipher))
            return LogChunk(
                number: number, file: file, cipher: cipher, isFromReserve: isFromReserve,
                isRecycled: isRecycled)
        } catch {
            throw DiskError.wrap(error, while: "creating chunk \(number)")
        }
    }

    /// Out of a spare chunk where there is one. Should that fail, nothing needs the spare, and
    /// whatever is left of it the next walk of the maps finds dead.
    private func makeFile(_ header: ChunkHeader, isFromReserve: Bool) throws
        -> (SealedChunkFile, isRecycled: Bool)
    {
        let sealed = try header.sealed(with: lineage.keys)
        if !isFromReserve,
            let spare = lineage.spares.take(slots: Int(header.layout.slotCount))
        {
            do {
                let file = try lineage.store.recycleChunk(
                    lineage.id, spare, as: header.number, layout: header.layout, header: sealed)
                return (file, true)
            } catch {
                try? lineage.store.removeChunk(lineage.id, spare)
            }
        }
        let file = try lineage.store.createChunk(
            lineage.id, header.number, layout: header.layout, header: sealed)
        return (file, false)
    }
}
