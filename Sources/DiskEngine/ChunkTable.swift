import DiskFormat

/// A chunk that slots can be read from: its file and its cipher.
final class OpenChunk: Sendable {
    let number: ChunkNumber
    let file: SealedChunkFile
    let cipher: ChunkCipher

    init(number: ChunkNumber, file: SealedChunkFile, cipher: ChunkCipher) {
        self.number = number
        self.file = file
        self.cipher = cipher
    }
}

/// The open chunks of a lineage, at most `limit`; the one unused for longest goes first. Who holds
/// an `OpenChunk` keeps it alive, so a chunk may leave the table, or be deleted, under a reader.
final class ChunkTable: @unchecked Sendable {
    // @unchecked: every access to the fields below is made under `monitor`.
    private let monitor: Monitor
    private let limit: Int
    private var chunks: [ChunkNumber: (chunk: OpenChunk, lastUse: UInt64)] = [:]
    private var clock: UInt64 = 0

    init(limit: Int, threads: any Threads) {
        self.limit = limit
        monitor = threads.makeMonitor()
    }

    func find(_ number: ChunkNumber) -> OpenChunk? {
        monitor.withLock {
            clock &+= 1
            guard let index = chunks.index(forKey: number) else { return nil }
            chunks.values[index].lastUse = clock
            return chunks.values[index].chunk
        }
    }

    func insert(_ chunk: OpenChunk) {
        monitor.withLock {
            if chunks.count >= limit { evictOlderHalf() }
            clock &+= 1
            chunks[chunk.number] = (chunk, clock)
        }
    }

    func remove(_ number: ChunkNumber) {
        monitor.withLock { _ = chunks.removeValue(forKey: number) }
    }

    var count: Int { monitor.withLock { chunks.count } }

    /// Half at a time, so that the sort is paid once in limit/2 insertions.
    private func evictOlderHalf() {
        let median = chunks.values.map(\.lastUse).sorted()[chunks.count / 2]
        chunks = chunks.filter { $0.value.lastUse >= median }
    }
}
