import DiskFormat

/// Reads a disk's log in order, from a position to its end, over all its sessions.
///
/// The log ends at the first slot that is missing (blank or not authentic) in the last session.
/// These are damage and never an end:
/// - a slot missing below the end that a later session recorded;
/// - a slot missing below a durable mark, in a later slot's descriptor or a later chunk's header;
/// - a chunk whose predecessor is not where the log stood;
/// - a header that is not authentic; a read error.
///
/// What it visits was read from the medium, past the page cache, and was synced before: it is
/// durable. (A second scan, of what has been read so, takes it from the cache.)
struct LogScan {
    let lineage: Lineage
    let disk: DiskID
    let sessions: [LineageManifest.Session]
    /// The sequences of the chunks that exist in the disk's lane, ascending.
    let existing: [UInt32]
    /// Slots known to hold a checkpoint or map page that could not be opened, or not even be read;
    /// passed over.
    var passOver: Set<BlockAddress> = []
    /// Where an earlier scan found the end: nothing is missing before it, and nothing read behind.
    var knownEnd: LogPosition?

    typealias Visit = (BlockAddress, SlotDescriptor, UnsafeRawBufferPointer) throws -> Void

    /// Visits every slot from `start` on (nil: the beginning) and returns where the log ends.
    func run(from start: LogPosition?, visit: Visit) throws -> LogPosition? {
        var here = start
        var first = 0
        if let start {
            first =
                sessions.lastIndex {
                    $0.lane == start.chunk.lane && $0.firstSequence <= start.chunk.sequence
                } ?? 0
        }
        for index in sessions.indices.dropFirst(first) {
            let next = index + 1 < sessions.count ? sessions[index + 1] : nil
            here = try scan(
                sessions[index], before: next, from: here, startsInside: index == first, visit)
        }
        return here
    }

    private func scan(
        _ session: LineageManifest.Session, before next: LineageManifest.Session?,
        from start: LogPosition?, startsInside: Bool, _ visit: Visit
    ) throws -> LogPosition? {
        // A session that recorded no progress of its own wrote nothing.
        if let next, next.previousEnd == start { return start }
        var here = start
        let chunks = existing.filter {
            session.sequences.contains($0) && $0 <= knownEnd?.chunk.sequence ?? .max
        }
        for (index, sequence) in chunks.enumerated() {
            let number = ChunkNumber(lane: session.lane, sequence: sequence)
            let isFirst = startsInside && here?.chunk == number
            if let start, startsInside, number < start.chunk { continue }
            let chunk = try open(number)
            if !isFirst {
                guard chunk.header.predecessor == here else {
                    throw damage(number, 0, "its predecessor is not where the log stood before it")
                }
                if try isPassedOver(chunk, before: chunks[(index + 1)...].first) { continue }
            }
            let recorded = (next?.previousEnd ?? knownEnd).flatMap {
                $0.chunk == number ? $0.slot : nil
            }
            let limit = recorded ?? chunk.header.layout.slotCount
            let reached = try scan(
                chunk, slots: (isFirst ? here?.slot ?? 0 : 0), limit: limit, visit)
            here = LogPosition(chunk: number, slot: reached)
            if reached < limit {
                if next != nil || knownEnd != nil {
                    throw damage(number, reached, "the log went on after it")
                }
                try checkNothingDurable(after: chunk, slot: reached, in: chunks[(index + 1)...])
                return here
            }
            if recorded != nil { return here }
        }
        if let next, next.previousEnd != here {
            throw DiskError(
                .damaged,
                "disk \(disk): the log of session \(session.number) ends before the place where"
                    + " session \(next.number) found its end")
        }
        return here
    }

    private struct ScannedChunk {
        let header: ChunkHeader
        let open: OpenChunk
    }

    /// Whether the chunk after this one continues the log from before this one: then this one was
    /// made by an attempt that was reported as failed, and holds nothing.
    private func isPassedOver(_ chunk: ScannedChunk, before next: UInt32?) throws -> Bool {
        guard let next else { return false }
        let number = ChunkNumber(lane: chunk.header.number.lane, sequence: next)
        return try lineage.openHeader(number).0.predecessor == chunk.header.predecessor
    }

    private func open(_ number: ChunkNumber) throws -> ScannedChunk {
        do {
            let (header, file) = try lineage.openHeader(number)
            if knownEnd == nil {
                // What replay accepts must stay: durable first, then read from the medium itself.
                try file.synchronize()
                try file.dropCache()
            }
            let cipher = try lineage.keys.cipher(forChunk: number, salt: header.salt)
            return ScannedChunk(
                header: header, open: OpenChunk(number: number, file: file, cipher: cipher))
        } catch {
            throw DiskError.wrap(error, while: "replaying chunk \(number) of disk \(disk)")
        }
    }

    /// Visits slots until one is missing or `limit` is reached; returns which.
    private func scan(
        _ chunk: ScannedChunk, slots first: UInt32, limit: UInt32, _ visit: Visit
    ) throws -> UInt32 {
        try forEachBatch(of: chunk, from: first, limit: limit) { run in
            for (index, slot) in run.slots.enumerated() {
                let address = BlockAddress(chunk: chunk.open.number, slot: slot)
                if let descriptor = try chunk.open.cipher.open(run, index: index) {
                    try visit(address, descriptor, run.body(index))
                } else if !passOver.contains(address) {
                    return slot
                }
            }
            return nil
        } ?? max(first, limit)
    }

    /// Throws if anything behind a missing slot says that the slot was durable.
    private func checkNothingDurable(
        after chunk: ScannedChunk, slot: UInt32, in later: ArraySlice<UInt32>
    ) throws {
        let missing = LogPosition(chunk: chunk.open.number, slot: slot)
        try checkMarks(of: chunk, from: slot + 1, against: missing)
        for sequence in later {
            let number = ChunkNumber(lane: missing.chunk.lane, sequence: sequence)
            let behind = try open(number)
            if let durable = behind.header.durable, durable.chunk.lane == missing.chunk.lane,
                (durable.chunk, durable.slot) > (missing.chunk, missing.slot)
            {
                throw damage(missing.chunk, slot, "chunk \(number) knows that it was durable")
            }
            try checkMarks(of: behind, from: 0, against: missing)
        }
    }

    private func checkMarks(of chunk: ScannedChunk, from slot: UInt32, against missing: LogPosition)
        throws
    {
        let known = chunk.open.number == missing.chunk ? missing.slot : 0
        guard let used = try firstUsedSlot(of: chunk, from: slot) else { return }
        _ = try forEachBatch(
            of: chunk, from: used, limit: chunk.header.layout.slotCount
        ) { run -> Bool? in
            for index in 0..<run.slots.count where !run.isBlank(index) {
                if let descriptor = try chunk.open.cipher.open(run, index: index),
                    descriptor.durableSlots > known
                {
                    throw damage(
                        missing.chunk, missing.slot,
                        "chunk \(chunk.open.number) knows that it was durable")
                }
            }
            return nil
        }
    }

    private func firstUsedSlot(of chunk: ScannedChunk, from slot: UInt32) throws -> UInt32? {
        do {
            return try chunk.open.file.firstUsedSlot(from: slot)
        } catch {
            throw DiskError.wrap(
                error, while: "replaying chunk \(chunk.open.number) of disk \(disk)")
        }
    }

    /// Reads slots in batches until `body` returns something.
    private func forEachBatch<R>(
        of chunk: ScannedChunk, from first: UInt32, limit: UInt32,
        _ body: (UnopenedRun) throws -> R?
    ) throws -> R? {
        let most = Limits.blocksPerScan
        let bodies = UnsafeMutableRawBufferPointer.allocate(
            byteCount: most * Format.blockSize, alignment: 4096)
        let entries = UnsafeMutableRawBufferPointer.allocate(
            byteCount: most * Format.entrySize, alignment: 64)
        defer {
            bodies.deallocate()
            entries.deallocate()
        }
        var slot = first
        while slot < limit {
            let count = batchSize(of: chunk, from: slot, limit: limit)
            do {
                let run = try read(
                    chunk, from: slot,
                    entries: .init(rebasing: entries[..<(count * Format.entrySize)]),
                    bodies: .init(rebasing: bodies[..<(count * Format.blockSize)]))
                if let result = try body(run) { return result }
            } catch {
                throw DiskError.wrap(
                    error, while: "replaying chunk \(chunk.open.number) of disk \(disk)")
            }
            slot += UInt32(count)
        }
        return nil
    }

    /// Slots that are passed over are read by themselves: the medium may not give them.
    private func batchSize(of chunk: ScannedChunk, from slot: UInt32, limit: UInt32) -> Int {
        let end = min(limit, slot + UInt32(Limits.blocksPerScan))
        let next = passOver.filter { $0.chunk == chunk.open.number && $0.slot >= slot }
            .map(\.slot).min()
        guard let next, next < end else { return Int(end - slot) }
        return next == slot ? 1 : Int(next - slot)
    }

    /// Reads slots. One that is passed over and cannot be read counts as blank.
    private func read(
        _ chunk: ScannedChunk, from slot: UInt32, entries: UnsafeMutableRawBufferPointer,
        bodies: UnsafeMutableRawBufferPointer
    ) throws -> UnopenedRun {
        do {
            return try chunk.open.file.read(from: slot, entries: entries, bodies: bodies)
        } catch {
            let address = BlockAddress(chunk: chunk.open.number, slot: slot)
            guard error.code == .io, passOver.contains(address) else { throw error }
            entries.initializeMemory(as: UInt8.self, repeating: 0)
            bodies.initializeMemory(as: UInt8.self, repeating: 0)
            return UnopenedRun(firstSlot: slot, entries: entries, bodies: bodies)
        }
    }

    private func damage(_ chunk: ChunkNumber, _ slot: UInt32, _ what: String) -> DiskError {
        DiskError(
            .damaged,
            "disk \(disk): chunk \(chunk) of lineage \(lineage.id), slot \(slot), is damaged:"
                + " \(what)", cause: DamagedChunk(number: chunk))
    }
}

/// The chunk that an error of the log is about, as its cause.
struct DamagedChunk: Error {
    let number: ChunkNumber
}
