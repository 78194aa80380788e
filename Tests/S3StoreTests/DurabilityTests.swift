import ChunkStore
import Synchronization
import Testing

@testable import S3Store

/// What another host finds of what one host has written.
@Suite("S3: what is in the bucket when")
struct DurabilityTests {
    @Test func aFlushIsDurableOnThisHostAndAnObjectBringsChunksAlong() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(7, pages: 3..<5)
        try file.synchronize()
        #expect(bucket.keys.isEmpty)
        // What belongs to another lineage brings nothing along.
        try host.store.replaceObject(try name("lineages/b/manifest"), with: [1])
        #expect(bucket.keys == ["objects/lineages/b/manifest"])
        try host.store.replaceObject(try name("lineages/a/manifest"), with: [1])
        let other = try Host(bucket)
        let found = try other.store.openFile(try chunk(1))
        #expect(try found.size().length == chunkLength)
        #expect(try found.values(2..<6) == [0, 7, 7, 0])
        try host.store.close()
    }

    /// Whoever needs a number for a new chunk waits for the bucket, not for all that waits.
    @Test func anObjectThatNamesNoChunksContentWaitsForNone() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        try host.store.createFile(try chunk(1), length: chunkLength).fill(7, pages: 3..<5)
        let object = try name("lineages/a/manifest")
        _ = try host.store.replaceSelfContainedObject(object, with: [1], if: .always)
        #expect(try Host(bucket).store.readObject(object, limit: 1) == [1])
        #expect(bucket.keys == ["objects/lineages/a/manifest"])
        try host.store.replaceObject(object, with: [2])
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(3..<4) == [7])
        try host.store.close()
    }

    @Test func aFlushIsInTheBucketWhereThatWasAskedFor() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket) { $0.durability = .store }
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        for page in 0..<10 {
            try file.fill(UInt8(page + 1), pages: page..<page + 1)
            try file.synchronize()
            let other = try Host(bucket)
            let found = try other.store.openFile(try chunk(1))
            let expected = (0..<11).map { $0 <= page ? UInt8($0 + 1) : 0 }
            #expect(try found.values(0..<11) == expected)
        }
        // A flush of one page is one object put, not a chunk.
        #expect(bucket.keys.count == 1)
        try host.store.close()
    }

    @Test func whatWaitsIsThereWithinItsTime() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket) { $0.lag = .milliseconds(300) }
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(7, pages: 3..<5)
        #expect(host.store.uploads.backlog().bytes > 0)
        try eventually("it is uploaded") {
            try Host(bucket).store.list(try name("lineages/a/chunks/0001/000000")).count == 1
        }
        try eventually("nothing waits") { host.store.uploads.backlog() == (0, 0) }
        try host.store.close()
    }

    /// A chunk that is full is uploaded at once.
    @Test func fullChunksDoNotWait() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        for number in 1...5 {
            let file = try host.store.createFile(try chunk(number), length: chunkLength)
            try file.fill(UInt8(number), pages: 0..<64)
        }
        try eventually("all are uploaded") { host.store.uploads.backlog().bytes == 0 }
        let other = try Host(bucket)
        for number in 1...5 {
            let found = try other.store.openFile(try chunk(number))
            #expect(try found.values(0..<64) == Array(repeating: UInt8(number), count: 64))
        }
        try host.store.close()
    }

    /// A process that is killed loses nothing: the cache has it, and goes on with the upload.
    @Test func aKilledProcessGoesOnWithItsCache() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength, beginning: [9])
        try file.fill(7, pages: 3..<5)
        try host.restart()
        #expect(try host.store.openFile(try chunk(1)).values(0..<6) == [9, 0, 0, 7, 7, 0])
        #expect(try host.store.list(try name("lineages/a/chunks/0001/000000")).count == 1)
        try host.store.replaceObject(try name("lineages/a/manifest"), with: [1])
        let found = try Host(bucket).store.openFile(try chunk(1))
        #expect(try found.values(0..<6) == [9, 0, 0, 7, 7, 0])
        try host.store.close()
    }

    /// A lost cache loses what was not uploaded, and nothing else.
    @Test func aLostCacheIsReadAnew() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(7, pages: 3..<5)
        try host.store.close()
        let again = try Host(bucket)
        #expect(try again.store.openFile(try chunk(1)).values(0..<6) == [0, 0, 0, 7, 7, 0])
        let second = try again.store.createFile(try chunk(2), length: chunkLength)
        try second.fill(8, pages: 0..<1)
        expect(.notFound) { _ = try Host(bucket).store.openFile(try chunk(2)) }
        try again.store.close()
    }

    /// No chunk is in the bucket without those that its log continues.
    @Test(arguments: 1...3)
    func aLogIsThereUpToAPlaceOrNotAtAll(blocked: Int) throws {
        let isBlocked = Atomic(true)
        let key = Bucket.index(try chunk(blocked))
        let bucket = MemoryObjects { call throws(StoreError) in
            guard case .put(let put, _) = call, put == key, isBlocked.load(ordering: .relaxed)
            else { return }
            throw StoreError(.busy, operation: "put \(key)", cause: "not now")
        }
        let host = try Host(bucket)
        let files = try (1...4).map {
            try host.store.createFile(try chunk($0), length: chunkLength)
        }
        let lone = try host.store.createFile(try chunk(1, lane: 2), length: chunkLength)
        for file in files { try file.fill(1, pages: 0..<64) }
        try lone.fill(1, pages: 0..<64)
        try eventually("the others are uploaded") {
            bucket.keys.filter { $0.hasPrefix("chunks/") }.count == blocked
        }
        try eventually("it says why") { host.store.uploads.lastFailure?.code == .busy }
        for number in blocked...4 {
            #expect(!bucket.keys.contains(Bucket.index(try chunk(number)).text))
        }
        isBlocked.store(false, ordering: .relaxed)
        try eventually("all are uploaded") { host.store.uploads.backlog().bytes == 0 }
        try host.store.close()
    }

    @Test func tooMuchThatWaitsHoldsNewChunksBack() throws {
        let isDown = Atomic(true)
        let bucket = MemoryObjects { call throws(StoreError) in
            guard case .put = call, isDown.load(ordering: .relaxed) else { return }
            throw StoreError(.unanswered, operation: "put", cause: "no answer")
        }
        let host = try Host(bucket) {
            $0.waitingBytes = 2 * chunkLength
            $0.patience = .milliseconds(600)
        }
        for number in 1...3 {
            let file = try host.store.createFile(try chunk(number), length: chunkLength)
            try file.fill(UInt8(number), pages: 0..<64)
        }
        expect(.unanswered, about: "too much waits for its upload") {
            _ = try host.store.createFile(try chunk(4), length: chunkLength)
        }
        isDown.store(false, ordering: .relaxed)
        try eventually("there is room again") {
            (try? host.store.createFile(try chunk(5), length: chunkLength)) != nil
        }
        try host.store.close()
    }

    @Test func aFullBucketIsToldAndLeavesWhatWasThere() throws {
        let isFull = Atomic(false)
        let bucket = MemoryObjects { call throws(StoreError) in
            guard case .put = call, isFull.load(ordering: .relaxed) else { return }
            throw StoreError(.noSpace, operation: "put", cause: "over its quota")
        }
        let host = try Host(bucket) { $0.waitingBytes = chunkLength / 2 }
        let manifest = try name("lineages/a/manifest")
        try host.store.replaceObject(manifest, with: [1])
        isFull.store(true, ordering: .relaxed)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<64)
        expect(.noSpace) { try host.store.replaceObject(manifest, with: [2]) }
        expect(.noSpace, about: "over its quota") {
            _ = try host.store.createFile(try chunk(2), length: chunkLength)
        }
        #expect(try host.store.capacity().available == 0)
        #expect(try host.store.readObject(manifest, limit: 1) == [1])
        isFull.store(false, ordering: .relaxed)
        try host.store.replaceObject(manifest, with: [3])
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(0..<1) == [1])
        try host.store.close()
    }

    /// Slots as the engine writes them: a body, then the entry in front that says it is there.
    @Test func whatAnImageSaysIsThereIsInIt() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        let isOver = Atomic(false)
        let uploads = host.store.uploads
        let opened = try #require(uploads.open(try chunk(1)))
        let writer = try host.store.threads.start(name: "writer") {
            for round in 1...250 where !isOver.load(ordering: .acquiring) {
                for page in 1..<63 {
                    try? file.fill(UInt8(round), pages: page..<page + 1)
                    let entry = [UInt8(round)]
                    try? entry.withUnsafeBytes { try file.write($0, at: UInt64(page)) }
                }
            }
        }
        for _ in 0..<12 {
            try uploads.publish(opened)
            let other = try Host(bucket)
            let found = try other.store.openFile(try chunk(1))
            var entries = [UInt8](repeating: 0, count: 64)
            _ = try entries.withUnsafeMutableBytes { try found.read(into: $0, at: 0) }
            let bodies = try found.values(0..<64)
            for page in 1..<64 { #expect(bodies[page] >= entries[page]) }
        }
        isOver.store(true, ordering: .releasing)
        writer.join()
        uploads.closed(opened)
        try host.store.close()
    }
}
