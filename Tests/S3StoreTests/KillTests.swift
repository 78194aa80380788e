import ChunkStore
import Synchronization
import Testing

@testable import S3Store

/// The process ends before any call of its cache: what the next one reads in the cache, it also
/// brings to the bucket.
@Suite("S3: killed anywhere")
struct KillTests {
    /// The cache as a process leaves it that is killed before its call `number`.
    private final class KilledCache: Sendable {
        let memory = MemoryStore()
        private let left: Mutex<(calls: Int, copy: MemoryStore?)>

        init() { left = Mutex((-1, nil)) }

        func arm(_ number: Int) { left.withLock { $0 = (number, nil) } }
        var copy: MemoryStore? { left.withLock { $0.copy } }

        var store: FaultyStore {
            FaultyStore(memory) { _, _ in
                self.left.withLock { left in
                    if left.calls == 0 { left.copy = self.memory.copy() }
                    left.calls -= 1
                }
            }
        }
    }

    /// False if there was no such call.
    private func isKilled(
        before number: Int, _ prepare: (S3Store) throws -> Void, _ body: (S3Store) throws -> Void
    ) throws -> Bool {
        let bucket = MemoryObjects()
        let cache = KilledCache()
        let options = try Host(bucket).options
        // A process that is killed asks the bucket nothing more.
        let dying = MortalBucket(bucket) { cache.copy != nil }
        let store = try Host.open(dying, cache.store, options)
        try prepare(store)
        cache.arm(number)
        try body(store)
        store.uploads.abandon()
        guard let left = cache.copy else { return false }
        let next = try Host(bucket, cache: left)
        if next.store.uploads.knows(try chunk(1)) {
            let here = try next.store.openFile(try chunk(1)).values(0..<8)
            try next.store.uploads.publishAll(below: nil)
            let there = try Host(bucket).store.openFile(try chunk(1)).values(0..<8)
            #expect(here == there, "killed before call \(number)")
        }
        return true
    }

    /// As many calls as there are, each with a store of its own.
    private func killEverywhere(
        _ prepare: (S3Store) throws -> Void, _ body: (S3Store) throws -> Void
    ) throws {
        var number = 0
        while try isKilled(before: number, prepare, body) { number += 1 }
        #expect(number > 2)
    }

    @Test func aChunkThatIsWrittenToWaitsBefore() throws {
        try killEverywhere { store in
            let file = try store.createFile(try chunk(1), length: chunkLength, beginning: [9])
            // Not filled: no thread uploads it by itself, so every run has the same calls.
            try file.fill(1, pages: 0..<63)
            try store.uploads.publishAll(below: nil)
            #expect(store.uploads.names(onlyWaiting: true).isEmpty)
        } _: { store in
            let file = try store.openFile(try chunk(1))
            try file.fill(2, pages: 3..<4)
            try file.synchronize()
        }
    }

    @Test func aChunkThatIsMadeWaitsBefore() throws {
        try killEverywhere { _ in
        } _: { store in
            let file = try store.createFile(try chunk(1), length: chunkLength, beginning: [9])
            try file.fill(2, pages: 3..<4)
            try file.synchronize()
        }
    }
}
