import DiskFormat

extension Disk {
    /// Makes a byte range read as zeros and gives its blocks back. Whole blocks become holes, by
    /// one log entry for any length of them; partial blocks at the ends are written as zeros.
    ///
    /// Throws `.invalid` outside the disk, `.noSpace` only for partial blocks, `.io`,
    /// `.sessionOver`.
    public func discard(at offset: UInt64, length: UInt64) throws {
        try operation(on: offset, length) {}  // the range, before any part of it is changed
        let blockSize = UInt64(Format.blockSize)
        let end = offset + length
        let first = (offset + blockSize - 1) / blockSize
        let last = end / blockSize
        guard first < last else { return try writeZeros(from: offset, to: end) }
        try writeZeros(from: offset, to: first * blockSize)
        try operation(on: offset, length) {
            do {
                try withClaim(on: first..<last) {
                    try waitUntilWritten(to: discard(blocks: first..<last))
                }
            } catch {
                throw located(error, at: offset, "discarding")
            }
        }
        try writeZeros(from: last * blockSize, to: end)
    }

    /// Same result as a discard: what is zero needs no room.
    public func writeZeroes(at offset: UInt64, length: UInt64) throws {
        try discard(at: offset, length: length)
    }

    /// Zeros in parts of at most two blocks.
    private func writeZeros(from offset: UInt64, to end: UInt64) throws {
        guard offset < end else { return }
        try withUnsafeTemporaryAllocation(byteCount: Int(end - offset), alignment: 8) { zeros in
            zeros.initializeMemory(as: UInt8.self, repeating: 0)
            try write(UnsafeRawBufferPointer(zeros), at: offset)
        }
    }

    /// Discards whole blocks under the lock and the caller's claim; returns the log position behind
    /// the last entry. Where nothing is stored, nothing is logged.
    func discard(blocks: Range<BlockNumber>) throws -> UInt64 {
        var position: UInt64 = 0
        var block = blocks.lowerBound
        while block < blocks.upperBound {
            let rest = block..<blocks.upperBound
            try waitForMapMemory()
            let plan = try reader.planned {
                $0.pinForDiscard(rest, leafLimit: Limits.leavesPerDiscard)
            }
            let range = block..<plan.end
            block = plan.end
            if plan.leaves.isEmpty { continue }
            do {
                let slots = try reserve(upTo: 1, for: .bookkeeping)
                try perform(slots) { run in
                    try slots.chunk.cipher.seal(
                        run, at: slots.firstSlot,
                        discard: .discard(range, durableSlots: slots.durableSlots))
                }
                map.discard(range, leaves: plan.leaves)
                // An entry without a body lives for replay alone.
                map.deaths?.add(slots.address(0).rawValue)
                commit(slots)
                position = slots.end
            } catch {
                map.unpin(leaves: plan.leaves)
                throw error
            }
        }
        return position
    }
}
