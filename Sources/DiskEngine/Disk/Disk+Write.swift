import DiskFormat

// A write claims its blocks, then goes piece by piece: plan reserves consecutive slots, perform
// seals into a borrowed buffer and writes bodies and entries, commit publishes the addresses. It is
// acknowledged when its slots and every earlier slot are written, so that what a killed process
// leaves is a prefix that holds every acknowledged write. All but the public calls are made under
// the lock, and releases it where it waits and for `perform`.
extension Disk {
    /// Writes `source` at `offset`; any offset and length inside the disk.
    ///
    /// Throws `.invalid` outside it, `.noSpace` with nothing of the piece in question written,
    /// `.io`, `.sessionOver`. Blocks before the failing one may have been written.
    public func write(_ source: UnsafeRawBufferPointer, at offset: UInt64) throws {
        try submit(source, at: offset)?.wait()
    }

    /// Writes `source`, and returns what is left to wait for: nil if it is acknowledged. Until then
    /// a read sees it already, but what a killed process leaves may lack it. `source` may be used
    /// again at once. Throws as `write` does.
    ///
    /// Slots are seldom written in the order in which they were reserved. A thread that waited for
    /// those before its own would sleep at every fifth write (16 writers, 2 processors); instead
    /// whoever writes the last of them tells the others' authors.
    public func submit(_ source: UnsafeRawBufferPointer, at offset: UInt64) throws -> PendingWrite?
    {
        try operation(on: offset, UInt64(source.count)) {
            guard !source.isEmpty else { return nil }
            do {
                let position = try claimAndWrite(source, at: offset)
                return log.writtenTo >= position
                    ? nil : PendingWrite(disk: self, position: position, offset: offset)
            } catch {
                throw located(error, at: offset, "writing")
            }
        }
    }

    /// Returns the log position behind the last slot.
    private func claimAndWrite(_ source: UnsafeRawBufferPointer, at offset: UInt64) throws
        -> UInt64
    {
        let blockSize = UInt64(Format.blockSize)
        let end = offset + UInt64(source.count)
        return try withClaim(on: offset / blockSize..<(end + blockSize - 1) / blockSize) {
            var position: UInt64 = 0
            var done = 0
            while done < source.count {
                let split = BlockSplit(offset: offset + UInt64(done), length: source.count - done)
                let part = UnsafeRawBufferPointer(rebasing: source[done..<done + split.length])
                if split.isWhole {
                    position = max(position, try write(blocks: split.blocks, from: part))
                } else {
                    // The old block is read under the claim, and the slot reserved after that.
                    try reader.withBlock { block in
                        try reader.read(split.blocks, into: block)
                        UnsafeMutableRawBufferPointer(rebasing: block[split.start...])
                            .copyMemory(from: part)
                        position = max(
                            position, try write(blocks: split.blocks, from: .init(block)))
                    }
                }
                done += split.length
            }
            return position
        }
    }

    /// Holds a claim on `blocks` for the time of `body`. Called under the lock.
    func withClaim<R>(on blocks: Range<BlockNumber>, _ body: () throws -> R) throws -> R {
        try checkAlive()
        let claim = claims.enter(blocks)
        defer {
            claims.end(claim)
            if claims.waiting > 0 { monitor.announce() }
        }
        while !claims.isTurn(of: claim) {
            claims.waiting += 1
            monitor.wait()
            claims.waiting -= 1
            try checkAlive()
        }
        return try body()
    }

    /// Writes whole blocks under the caller's claim; returns the log position behind the last.
    private func write(blocks: Range<BlockNumber>, from source: UnsafeRawBufferPointer) throws
        -> UInt64
    {
        var position: UInt64 = 0
        var block = blocks.lowerBound
        while block < blocks.upperBound {
            let offset = Int(block - blocks.lowerBound) * Format.blockSize
            let rest = UnsafeRawBufferPointer(rebasing: source[offset...])
            if lineage.limits.detectZeroes, case let zeroes = rest.leadingZeroBlocks, zeroes > 0 {
                position = max(position, try discard(blocks: block..<block + UInt64(zeroes)))
                block += UInt64(zeroes)
                continue
            }
            let wanted = min(
                Limits.blocksPerRun, rest.count / Format.blockSize,
                lineage.limits.detectZeroes ? rest.leadingDataBlocks : .max)
            let written = try writeRun(at: block, count: wanted, from: rest)
            position = written.end
            block += UInt64(written.count)
        }
        return position
    }

    /// Plan, perform, commit of up to `count` blocks in consecutive slots.
    func writeRun(at block: BlockNumber, count: Int, from source: UnsafeRawBufferPointer)
        throws -> Reservation
    {
        let pinned = block..<block + UInt64(count)
        try waitForMapMemory()
        try reader.planned { $0.pinLeaves(of: pinned) }
        defer { map.unpin(pinned) }
        let slots = try reserve(upTo: count, for: .data)
        try perform(slots) { run throws in
            try slots.chunk.cipher.seal(
                run, at: slots.firstSlot, count: slots.count,
                describe: { .data(block + UInt64($0), durableSlots: slots.durableSlots) },
                // A run's source has a base address: it holds at least one block.
                body: { source.baseAddress! + $0 * Format.blockSize })
        }
        map.store(block..<block + UInt64(slots.count), at: slots.address(0))
        commit(slots)
        return slots
    }

    /// Perform: seals into a borrowed buffer and writes it, without the lock that the caller holds.
    /// If that fails the slots are given up, and the error is thrown.
    func perform(_ slots: Reservation, seal: (SealedRun) throws -> Void) throws {
        do {
            try monitor.withoutLock {
                try lineage.runs.withRun { run in
                    try seal(run)
                    try slots.chunk.file.write(run)
                }
            }
        } catch {
            let cause = DiskError.wrap(error, while: "writing chunk \(slots.chunk.number)")
            throw giveUp(slots, cause.met(in: StoreLayout.chunk(lineage.id, slots.chunk.number)))
        }
    }

    /// Waits until every slot below `position` is written. Throws if the session ends before.
    func waitUntilWritten(to position: UInt64) throws {
        while log.writtenTo < position {
            try checkAlive()
            log.await(position)
            monitor.wait(for: .written)
        }
    }

    /// The slots are written and published.
    func commit(_ slots: Reservation) {
        log.changesSinceCut += UInt64(slots.count)
        checkpointIfDue()
        askForReclamation()
        complete(slots)
    }

    /// Asks for a checkpoint once the log is long or the map has its share of dirty pages. Called
    /// under the lock.
    func checkpointIfDue() {
        if !wantsCheckpoint, !isCheckpointing,
            log.changesSinceCut >= lineage.limits.checkpointLogBlocks
                || map.dirty.count >= dirtyLimit
        {
            wantsCheckpoint = true
            monitor.announce(.work)
        }
    }

    /// The slots are written; who waits for the log to be written so far goes on. The lock is
    /// released to tell those who do not wait.
    func complete(_ slots: Reservation) {
        if log.complete(slots) { monitor.announce(.written) }
        if !log.closed.isEmpty { monitor.announce(.work) }
        guard log.hasDue else { return }
        let acknowledgements = log.takeAcknowledgements()
        monitor.withoutLock { for tell in acknowledgements { tell(nil) } }
    }

    /// Writers slow down when a checkpoint cannot keep up.
    func waitForMapMemory() throws {
        while map.dirty.count + map.frozen.count >= 2 * dirtyLimit,
            wantsCheckpoint || isCheckpointing
        {
            try checkAlive()
            monitor.wait()
        }
        if map.dirty.count >= 2 * dirtyLimit, let failure = checkpointFailure {
            wantsCheckpoint = true
            monitor.announce(.work)
            throw failure
        }
    }

    /// A write to `slots` failed. They are voided, so that the log has no gap and no slot can ever
    /// be sealed twice; if even that fails, the session is over. Returns what to tell the caller.
    private func giveUp(_ slots: Reservation, _ cause: DiskError) -> DiskError {
        do {
            try monitor.withoutLock {
                try lineage.runs.withRun { run in
                    try slots.chunk.cipher.void(run, at: slots.firstSlot, count: slots.count)
                    try slots.chunk.file.write(run)
                }
            }
            for index in 0..<slots.count { map.deaths?.add(slots.address(index).rawValue) }
            commit(slots)
        } catch {
            fail(cause)
        }
        return cause
    }
}

extension UnsafeRawBufferPointer {
    /// Whole blocks at the beginning that hold nothing but zeros, and those before the first such.
    fileprivate var leadingZeroBlocks: Int { leadingBlocks { $0 } }
    fileprivate var leadingDataBlocks: Int { leadingBlocks { !$0 } }

    private func leadingBlocks(while isWanted: (Bool) -> Bool) -> Int {
        var blocks = 0
        while (blocks + 1) * Format.blockSize <= count,
            isWanted(isZeroBlock(at: blocks * Format.blockSize))
        {
            blocks += 1
        }
        return blocks
    }

    private func isZeroBlock(at offset: Int) -> Bool {
        for word in stride(from: offset, to: offset + Format.blockSize, by: 8)
        where loadUnaligned(fromByteOffset: word, as: UInt64.self) != 0 {
            return false
        }
        return true
    }
}
