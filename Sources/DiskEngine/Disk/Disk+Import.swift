import DiskFormat

// A disk that takes a snapshot which is on its way in: its blocks are stored as they come.
extension Disk {
    /// Stores a frame's items; `bodies` are the blocks of its data items. Zeros are stored, too:
    /// what is a hole is said by the items. With `mayBeThere` blocks that are there already are not
    /// written once more.
    func take(_ items: [SealedItem], _ bodies: UnsafeRawBufferPointer, mayBeThere: Bool) throws {
        var rest = bodies
        var index = 0
        while index < items.count {
            if case .hole(let blocks) = items[index] {
                try discard(
                    at: blocks.lowerBound * UInt64(Format.blockSize),
                    length: UInt64(blocks.count) * UInt64(Format.blockSize))
                index += 1
                continue
            }
            let first = items[index].blocks.lowerBound
            let count = items[index...].enumerated().prefix {
                $1 == .data(first + UInt64($0))
            }.count
            let length = count * Format.blockSize
            try store(
                first..<first + UInt64(count), UnsafeRawBufferPointer(rebasing: rest[..<length]),
                mayBeThere: mayBeThere)
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            index += count
        }
    }

    /// Everything behind `size` becomes a hole.
    func cut(at size: UInt64) throws {
        let bytes = self.size
        if size < bytes { try discard(at: size, length: bytes - size) }
    }

    private func store(
        _ blocks: Range<BlockNumber>, _ source: UnsafeRawBufferPointer, mayBeThere: Bool
    ) throws {
        let offset = blocks.lowerBound * UInt64(Format.blockSize)
        try operation(on: offset, UInt64(source.count)) {
            do {
                if mayBeThere, try holds(blocks, source) { return }
                try withClaim(on: blocks) {
                    var position: UInt64 = 0
                    var block = blocks.lowerBound
                    while block < blocks.upperBound {
                        let start = Int(block - blocks.lowerBound) * Format.blockSize
                        let written = try writeRun(
                            at: block,
                            count: min(Limits.blocksPerRun, Int(blocks.upperBound - block)),
                            from: UnsafeRawBufferPointer(rebasing: source[start...]))
                        position = written.end
                        block += UInt64(written.count)
                    }
                    try waitUntilWritten(to: position)
                }
            } catch {
                throw located(error, at: offset, "writing")
            }
        }
    }

    /// Whether every block is stored and has that content. Called under the lock.
    private func holds(_ blocks: Range<BlockNumber>, _ source: UnsafeRawBufferPointer) throws
        -> Bool
    {
        let offset = blocks.lowerBound * UInt64(Format.blockSize)
        let hole = try reader.seek(toData: false, from: offset, size: bytes) ?? bytes
        guard hole >= offset + UInt64(source.count) else { return false }
        let stored = UnsafeMutableRawBufferPointer.allocate(
            byteCount: source.count, alignment: Format.blockSize)
        defer { stored.deallocate() }
        try reader.read(blocks, into: stored)
        return stored.elementsEqual(source)
    }
}
