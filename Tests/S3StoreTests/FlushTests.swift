import ChunkStore
import Glibc
import Synchronization
import Testing

@testable import S3Store

/// What a flush says, and what it leaves undecided.
@Suite("S3: flushes") struct FlushTests {
    /// The medium tells of it once, and it is a thread that uploads which it tells.
    @Test(arguments: S3StoreOptions.Durability.allCases)
    func aFailureOfTheCacheIsToldToEverybody(durability: S3StoreOptions.Durability) throws {
        let cache = FaultyStore(MemoryStore())
        var options = S3StoreOptions()
        (options.lag, options.durability) = (.seconds(3600), durability)
        let bucket = MemoryObjects()
        let store = try Host.open(bucket, cache, options)
        defer { store.uploads.abandon() }
        let file = try store.createFile(try chunk(1), length: chunkLength)
        try file.fill(7, pages: 0..<2)
        cache.arm(Fault([.synchronize], prefix: "whole/"))
        let opened = try #require(store.uploads.open(try chunk(1)))
        expect(.io) { try store.uploads.publish(opened) }
        store.uploads.closed(opened)
        for _ in 0..<2 {
            expect(.io) { try file.synchronize() }
            expect(.io) { try file.dropCache() }
        }
        #expect(bucket.keys.isEmpty)
    }

    /// New chunks and objects wait for a server that is started anew.
    @Test func aServerThatComesBackIsWaitedFor() throws {
        let isDown = Atomic(false)
        let bucket = MemoryObjects { _ throws(StoreError) in
            guard isDown.load(ordering: .relaxed) else { return }
            throw StoreError(.busy, operation: "call", cause: "not reached")
        }
        let host = try Host(bucket)
        let manifest = try name("lineages/a/manifest")
        try host.store.replaceObject(manifest, with: [1])
        isDown.store(true, ordering: .relaxed)
        let helper = try host.store.threads.start(name: "starts it") {
            usleep(400_000)
            isDown.store(false, ordering: .relaxed)
            usleep(400_000)
            isDown.store(true, ordering: .relaxed)
            usleep(400_000)
            isDown.store(false, ordering: .relaxed)
        }
        _ = try host.store.createFile(try chunk(1), length: chunkLength)
        while !isDown.load(ordering: .relaxed) { usleep(10_000) }
        try host.store.replaceObject(manifest, with: [2])
        helper.join()
        #expect(try host.store.readObject(manifest, limit: 1) == [2])
        try host.store.close()
    }

    /// It waits, for as long as it may, and ends no session.
    @Test(arguments: [StoreError.Code.noSpace, .denied, .unanswered, .busy])
    func aBucketThatRefusesForAWhileLosesNothing(code: StoreError.Code) throws {
        let refuses = Atomic(false)
        let bucket = MemoryObjects { call throws(StoreError) in
            guard case .put = call, refuses.load(ordering: .relaxed) else { return }
            throw StoreError(code, operation: "put", cause: "not now")
        }
        let host = try Host(bucket) {
            ($0.durability, $0.patience) = (.store, .milliseconds(500))
        }
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(7, pages: 0..<2)
        refuses.store(true, ordering: .relaxed)
        expect(.busy, about: "not now") { try file.synchronize() }
        try file.fill(8, pages: 1..<2)
        let store = host.store
        let helper = try store.threads.start(name: "mends it") {
            store.time.sleep(for: .milliseconds(200))
            refuses.store(false, ordering: .relaxed)
        }
        try file.synchronize()
        helper.join()
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(0..<3) == [7, 8, 0])
        try host.store.close()
    }
}
