import DiskFormat

extension Disk {
    /// Fills `buffer` with the disk's bytes from `offset` on; any offset and length inside it.
    ///
    /// Throws `.invalid` outside it, `.damaged` if stored bytes are not what was sealed, `.io`.
    /// What was not verified is never in `buffer` when this returns normally; after an error its
    /// contents mean nothing.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws {
        try operation(on: offset, UInt64(buffer.count)) {
            do {
                try reader.read(bytes: buffer, at: offset)
            } catch {
                throw located(error, at: offset, "reading")
            }
        }
    }

    /// The first byte at or after `offset` that may hold data (SEEK_DATA); nil: none before the
    /// end.
    public func nextData(from offset: UInt64) throws -> UInt64? {
        try operation(on: 0, 0) { try reader.seek(toData: true, from: offset, size: bytes) }
    }

    /// The first byte at or after `offset` that lies in a hole (SEEK_HOLE); the size at the latest.
    public func nextHole(from offset: UInt64) throws -> UInt64 {
        try operation(on: 0, 0) {
            try reader.seek(toData: false, from: offset, size: bytes) ?? bytes
        }
    }
}

extension MapReader {
    /// Reads any range of bytes: whole blocks straight into the caller's memory, the partial ones
    /// at the ends by way of a block of our own. Called under the lock.
    func read(bytes buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws {
        var done = 0
        while done < buffer.count {
            let split = BlockSplit(offset: offset + UInt64(done), length: buffer.count - done)
            let place = UnsafeMutableRawBufferPointer(
                rebasing: buffer[done..<done + split.length])
            if split.isWhole {
                try read(split.blocks, into: place)
            } else {
                try withBlock { block in
                    try read(split.blocks, into: block)
                    place.copyMemory(
                        from: UnsafeRawBufferPointer(
                            rebasing: block[split.start..<split.start + split.length]))
                }
            }
            done += split.length
        }
    }

    /// Lends one block of memory.
    func withBlock<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
        try withUnsafeTemporaryAllocation(byteCount: Format.blockSize, alignment: 4096, body)
    }
}

/// The first part of a byte range: a partial block, or as many whole blocks as there are.
struct BlockSplit {
    let blocks: Range<BlockNumber>
    /// Where the part begins within its first block, and its length; both in bytes.
    let start: Int
    let length: Int
    var isWhole: Bool { start == 0 && length.isMultiple(of: Format.blockSize) }

    init(offset: UInt64, length: Int) {
        let blockSize = Format.blockSize
        let first = offset / UInt64(blockSize)
        start = Int(offset % UInt64(blockSize))
        if start == 0, length >= blockSize {
            self.length = length / blockSize * blockSize
            blocks = first..<first + UInt64(length / blockSize)
        } else {
            self.length = min(length, blockSize - start)
            blocks = first..<first + 1
        }
    }
}
