import DiskFormat

/// Makes frames of a sealed snapshot: the items that a walk gives, and their blocks, sealed.
struct FrameAssembler: Sendable {
    let reader: MapReader
    let cipher: SealedFrameCipher

    /// The frame of these items, which come in runs. The blocks are read to where they are sealed;
    /// no lock is held meanwhile but as `MapReader` does. Throws `.damaged`, `.io`.
    func frame(_ number: FrameNumber, of runs: [MapChange], isLast: Bool) throws -> SealedFrame {
        let bodies = runs.reduce(0) { $0 + ($1.isHole ? 0 : $1.blocks.count) }
        let frame = SealedFrame(count: SealedGeometry.pageSize + bodies * Format.blockSize)
        do {
            var items: [SealedItem] = []
            items.reserveCapacity(SealedGeometry.itemsPerFrame)
            var offset = SealedGeometry.pageSize
            for run in runs {
                if run.isHole {
                    items.append(.hole(run.blocks))
                } else {
                    let length = run.blocks.count * Format.blockSize
                    let place = UnsafeMutableRawBufferPointer(
                        rebasing: frame.bytes[offset..<offset + length])
                    try reader.monitor.withLock { try reader.read(run.blocks, into: place) }
                    items += run.blocks.map { .data($0) }
                    offset += length
                }
            }
            try cipher.seal(items, as: number, isLast: isLast, in: frame.bytes)
        } catch {
            // Plaintext that did not come to be sealed.
            frame.bytes.initializeMemory(as: UInt8.self, repeating: 0)
            throw error
        }
        return frame
    }
}
