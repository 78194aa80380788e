import DiskFormat
import Scheduling

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

/// The open chunks of a lineage; what all lineages may have open is the budget's business. Who
/// holds an `OpenChunk` keeps it alive, so a chunk may leave the table, or be deleted, under a
/// reader.
final class ChunkTable: @unchecked Sendable {
    // @unchecked: every access to `chunks` is made under `monitor`.
    private let monitor: Monitor
    private let budget: ChunkBudget
    private var chunks: [ChunkNumber: (chunk: OpenChunk, lastUse: UInt64)] = [:]

    init(budget: ChunkBudget, threads: any Threads) {
        self.budget = budget
        monitor = threads.makeMonitor()
        budget.add(self)
    }

    deinit {
        budget.remove(self)
        budget.vanished(chunks.count)
    }

    func find(_ number: ChunkNumber) -> OpenChunk? {
        monitor.withLock {
            guard let index = chunks.index(forKey: number) else { return nil }
            chunks.values[index].lastUse = budget.tick()
            return chunks.values[index].chunk
        }
    }

    func insert(_ chunk: OpenChunk) {
        budget.makeRoom()
        monitor.withLock {
            if chunks.updateValue((chunk, budget.tick()), forKey: chunk.number) == nil {
                budget.appeared()
            }
        }
    }

    func remove(_ number: ChunkNumber) {
        monitor.withLock {
            if chunks.removeValue(forKey: number) != nil { budget.vanished() }
        }
    }

    var count: Int { monitor.withLock { chunks.count } }

    var lastUses: [UInt64] { monitor.withLock { chunks.values.map(\.lastUse) } }

    /// Lets go of the chunks whose last use was at `moment` or before; whether there were any.
    func evict(unusedSince moment: UInt64) -> Bool {
        var old = monitor.withLock {
            let old = chunks.filter { $0.value.lastUse <= moment }
            for number in old.keys { chunks[number] = nil }
            return old
        }
        let count = old.count
        // Closes their files, without the lock; they count until that is done.
        old.removeAll()
        budget.vanished(count)
        return count > 0
    }
}
