import DiskFormat

/// Reads map pages for a walk that looks at each once: into memory of its own, of chunks that it
/// opens aside, so that what the disks have in memory and open stays so.
final class MarkPages {
    /// Leaves read in one go.
    static let mostLeaves = 32
    private static let mostChunks = 16

    private let lineage: Lineage
    private let memory: UnsafeMutableRawBufferPointer
    private var chunks: [ChunkNumber: OpenChunk] = [:]

    init(_ lineage: Lineage) {
        self.lineage = lineage
        // Leaves first, then a page for each level above them.
        memory = .allocate(
            byteCount: (Self.mostLeaves + Int(MapGeometry.rootLevel)) * Format.blockSize,
            alignment: 4096)
    }

    deinit { memory.deallocate() }

    /// The entries of a page above the leaves, until the next of its level is read.
    func read(_ id: PageID, at address: BlockAddress) throws -> UnsafePointer<UInt64> {
        try read(id, 1, at: address, into: Self.mostLeaves + Int(id.level) - 1)
    }

    /// The entries of leaves that lie side by side, one after the other.
    func readLeaves(_ first: PageID, _ count: Int, at address: BlockAddress) throws
        -> UnsafePointer<UInt64>
    {
        try read(first, count, at: address, into: 0)
    }

    private func read(_ first: PageID, _ count: Int, at address: BlockAddress, into place: Int)
        throws -> UnsafePointer<UInt64>
    {
        let start = place * Format.blockSize
        let bytes = UnsafeMutableRawBufferPointer(
            rebasing: memory[start..<start + count * Format.blockSize])
        try lineage.read(from: address, of: chunk(address.chunk), into: bytes) {
            .mapPage(level: first.level, index: first.index + UInt64($0))
        }
        // Allocated above, so there is a base address; aligned to pages.
        let entries = UnsafeRawPointer(bytes.baseAddress!).assumingMemoryBound(to: UInt64.self)
        for page in 0..<count {
            try lineage.checkAddresses(
                in: entries + page * MapGeometry.fanOut,
                at: BlockAddress(rawValue: address.rawValue + UInt64(page)))
        }
        return entries
    }

    private func chunk(_ number: ChunkNumber) throws -> OpenChunk {
        if let chunk = chunks[number] ?? lineage.chunks.find(number) { return chunk }
        if chunks.count == Self.mostChunks { chunks = [:] }
        let chunk = try lineage.openAside(number)
        chunks[number] = chunk
        return chunk
    }
}
