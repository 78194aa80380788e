import ChunkStore
import Glibc
import Scheduling
import Synchronization
import Testing

@testable import S3Store

/// Copies of what the bucket has.
@Suite("S3: reading, and giving back")
struct ReadingTests {
    /// A bucket with chunks 1 to `count`, of 64 pages that hold their numbers.
    private func bucket(
        of count: Int,
        before: @escaping @Sendable (ObjectCall) throws(StoreError) -> Void = { _ in }
    ) throws -> MemoryObjects {
        let bucket = MemoryObjects(before: before)
        let host = try Host(bucket)
        for number in 1...count {
            let file = try host.store.createFile(try chunk(number), length: chunkLength)
            for page in 0..<64 { try file.fill(UInt8(page + number), pages: page..<page + 1) }
        }
        try host.store.close()
        return bucket
    }

    private func expected(_ number: Int) -> [UInt8] { (0..<64).map { UInt8($0 + number) } }

    @Test func whatWasReadIsNotAskedForAgain() throws {
        let gets = Mutex<[ObjectCall]>([])
        let bucket = try bucket(of: 1) { call in
            if case .get(let key, _) = call, key.text.hasPrefix("data/") {
                gets.withLock { $0.append(call) }
            }
        }
        let host = try Host(bucket)
        let file = try host.store.openFile(try chunk(1))
        #expect(try file.values(5..<6) == [6])
        #expect(try file.values(5..<6) == [6])
        #expect(gets.withLock { $0.count } == 1)
        // In order: the next read brings what follows.
        #expect(try file.values(6..<7) == [7])
        #expect(try file.values(7..<64) == Array(expected(1)[7...]))
        #expect(gets.withLock { $0.count } == 2)
        file.forget(at: 5 * 4096, length: 4096)
        #expect(try file.values(5..<6) == [6])
        #expect(gets.withLock { $0.count } == 3)
        try host.store.close()
    }

    @Test func manyReadersOfOnePlaceAskOnce() throws {
        let gets = Atomic(0)
        let bucket = try bucket(of: 1) { call in
            guard case .get(let key, _) = call, key.text.hasPrefix("data/") else { return }
            gets.add(1, ordering: .relaxed)
            HostPause.short()
        }
        let host = try Host(bucket)
        let file = try host.store.openFile(try chunk(1))
        let readers = try (0..<8).map { _ in
            try host.store.threads.start(name: "reader") {
                #expect((try? file.values(20..<30)) == (20..<30).map { UInt8($0 + 1) })
            }
        }
        for reader in readers { reader.join() }
        #expect(gets.load(ordering: .relaxed) == 1)
        try host.store.close()
    }

    @Test func copiesGoWhenThereAreTooMany() throws {
        let bucket = try bucket(of: 12)
        let host = try Host(bucket) { $0.cacheBytes = 3 * chunkLength }
        // The threads that put copies away begin with the first chunk that is opened.
        var files: [any ChunkFile] = []
        for round in 0..<3 {
            for number in 1...12 {
                let file = try host.store.openFile(try chunk(number))
                #expect(try file.values(0..<64) == expected(number), "round \(round)")
                files.append(file)
            }
        }
        try eventually("copies went") { host.store.uploads.cachedBytes() <= 3 * chunkLength }
        for (index, file) in files.enumerated() {
            #expect(try file.values(0..<64) == expected(index % 12 + 1))
        }
        try host.store.close()
    }

    /// A copy was chosen to go, and its chunk was let go and opened anew before it went.
    @Test func aCopyOfAnEarlierOpeningTakesNoFileAway() throws {
        let host = try Host(try bucket(of: 1))
        let uploads = host.store.uploads
        let first = try host.store.openFile(try chunk(1))
        let old = try #require(uploads.open(try chunk(1)))
        try uploads.monitor.withLock { uploads.chunks[try chunk(1)] = nil }
        let second = try host.store.openFile(try chunk(1))
        #expect(try second.values(0..<2) == [1, 2])
        uploads.monitor.withLock {
            uploads.evictions.append(old)
            uploads.monitor.announce(.work)
        }
        try eventually("it was looked at") {
            uploads.monitor.withLock { uploads.evictions.isEmpty }
        }
        uploads.abandon()
        #expect(throws: Never.self) { try host.cache.openFile(Cache.part(try chunk(1))) }
        #expect(try second.values(0..<2) == [1, 2])
        uploads.closed(old)
        #expect(try first.size().length == chunkLength)
    }

    @Test func copiesOutliveTheProcess() throws {
        let gets = Atomic(0)
        let bucket = try bucket(of: 1) { call in
            guard case .get(let key, _) = call, key.text.hasPrefix("data/") else { return }
            gets.add(1, ordering: .relaxed)
        }
        let host = try Host(bucket)
        #expect(try host.store.openFile(try chunk(1)).values(3..<9) == Array(expected(1)[3..<9]))
        try host.store.close()
        try host.restart()
        let before = gets.load(ordering: .relaxed)
        #expect(try host.store.openFile(try chunk(1)).values(3..<9) == Array(expected(1)[3..<9]))
        #expect(gets.load(ordering: .relaxed) == before)
        #expect(try host.store.openFile(try chunk(1)).values(0..<64) == expected(1))
        // A process that is killed says nothing of its copies: they are read anew.
        try host.restart()
        #expect(try host.store.openFile(try chunk(1)).values(0..<64) == expected(1))
        #expect(gets.load(ordering: .relaxed) > before + 1)
        try host.store.close()
    }

    @Test func aChunkThatIsMostlyDeadIsPutAnewWithoutIt() throws {
        let bucket = try bucket(of: 2)
        let host = try Host(bucket)
        let file = try host.store.openFile(try chunk(1))
        #expect(try file.size().allocated == chunkLength)
        try file.deallocate(at: 10 * 4096, length: 40 * 4096)
        let left = Array(expected(1)[..<10]) + [UInt8](repeating: 0, count: 40) + expected(1)[50...]
        #expect(try file.values(0..<64) == left)
        try eventually("it is put anew") { try file.size().allocated == 24 * 4096 }
        #expect(try file.values(0..<64) == left)
        let other = try Host(bucket).store.openFile(try chunk(1))
        #expect(try other.values(0..<64) == left)
        #expect(bucket.keys.filter { $0.hasPrefix("data/") }.count == 2)
        // A few pages are not worth it.
        let second = try host.store.openFile(try chunk(2))
        try second.deallocate(at: 4096, length: 8 * 4096)
        #expect(try second.size().allocated == chunkLength)
        try host.store.close()
    }

    /// What is moved for it counts against the rate, not how long the chunks are.
    @Test func whatLivesLittleIsPutAnewSoon() throws {
        let time = HandTime()
        let host = try Host(try bucket(of: 3), time: time) { $0.compactionRate = 8 * 4096 }
        let files = try (1...3).map { try host.store.openFile(try chunk($0)) }
        for file in files {
            _ = try file.values(0..<64)
            try file.deallocate(at: 8 * 4096, length: 56 * 4096)
        }
        func count() throws -> Int { try files.filter { try $0.size().allocated == 32_768 }.count }
        try eventually("the first is at once") { try count() == 1 }
        for number in 2...3 {
            usleep(50_000)
            #expect(try count() == number - 1, "it is not its turn")
            time.advance(by: .milliseconds(1100))
            try eventually("it is put anew") { try count() == number }
        }
        try host.store.close()
    }

    @Test func manySmallPiecesBecomeOne() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket) { $0.durability = .store }
        let length: UInt64 = 1200 * 4096
        let file = try host.store.createFile(try chunk(1), length: length)
        for start in stride(from: 0, to: 1200, by: 40) {
            try file.fill(UInt8(start / 40 + 1), pages: start..<start + 40)
            try file.synchronize()
        }
        try eventually("they are one") {
            bucket.keys.filter { $0.hasPrefix("data/") }.count <= CachedChunk.mostObjects
        }
        let found = try Host(bucket).store.openFile(try chunk(1))
        for start in stride(from: 0, to: 1200, by: 40) {
            #expect(try found.values(start..<start + 1) == [UInt8(start / 40 + 1)])
        }
        try host.store.remove(try chunk(1))
        #expect(bucket.keys.isEmpty)
        try host.store.close()
    }

    @Test func aPartThatTheBucketHasLostIsDamage() throws {
        let bucket = try bucket(of: 1)
        let data = try #require(bucket.keys.first { $0.hasPrefix("data/") })
        try bucket.delete(ObjectKey(data))
        let file = try Host(bucket).store.openFile(try chunk(1))
        expect(.io, about: "lost a part of this chunk") { _ = try file.values(1..<2) }
    }

    @Test(arguments: ["", "garbage of some length, long enough for an envelope"])
    func anIndexThatIsNoneIsRefused(text: String) throws {
        let bucket = MemoryObjects()
        let bytes = Array(text.utf8)
        _ = try bytes.withUnsafeBytes {
            try bucket.put(Bucket.index(try chunk(1)), $0, if: .always)
        }
        expect(.foreign) { _ = try Host(bucket).store.openFile(try chunk(1)) }
    }
}
