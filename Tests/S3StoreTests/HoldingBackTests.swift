import ChunkStore
import Glibc
import Scheduling
import Testing

@testable import S3Store

/// Full chunks wait for those who write, as long as that makes none late.
@Suite("S3: uploads that are held back")
struct HoldingBackTests {
    private static let length: UInt64 = 8 << 20
    private static let pages = 2048

    /// A host whose bucket takes so long for the data of a chunk; the first was uploaded, so that
    /// it knows.
    private struct Rig {
        let time = HandTime()
        let bucket: MemoryObjects
        let host: Host
        private let open: [any ChunkFile]

        init(
            _ upload: Duration, durability: S3StoreOptions.Durability = .host
        ) throws {
            let time = time
            bucket = MemoryObjects { call throws(StoreError) in
                if case .put(let key, let bytes) = call, key.text.hasPrefix("data/"),
                    bytes > 1 << 20
                {
                    time.advance(by: upload)
                }
            }
            host = try Host(bucket, time: time) {
                $0.lag = .seconds(100)
                $0.durability = durability
            }
            open = try [host.store.createFile(try chunk(1), length: HoldingBackTests.length)]
            try fill(open[0])
            let uploads = host.store.uploads
            try eventually("the first is uploaded at once") { uploads.backlog().bytes == 0 }
            try eventually("its rate is known") {
                uploads.monitor.withLock { uploads.rate.bytesPerSecond } != nil
            }
        }

        var uploads: Uploads { host.store.uploads }
        var holdsBack: Bool { uploads.isHoldingBack.load(ordering: .acquiring) }
        var backlog: UInt64 { uploads.backlog().bytes }

        func fill(_ file: any ChunkFile) throws {
            try file.fill(7, pages: 0..<HoldingBackTests.pages)
        }

        /// Somebody writes, and that was noticed: as often as needed, for time may have passed.
        func write(to file: any ChunkFile) throws {
            try eventually("it is noticed that somebody writes") {
                try file.fill(1, pages: 0..<1)
                return holdsBack
            }
        }
    }

    @Test func aFullChunkWaitsUntilNobodyWrites() throws {
        let rig = try Rig(.milliseconds(100))
        let other = try rig.host.store.createFile(try chunk(2), length: Self.length)
        try rig.write(to: other)
        let file = try rig.host.store.createFile(try chunk(3), length: Self.length)
        try rig.fill(file)
        for _ in 0..<50 {
            usleep(2000)
            #expect(rig.backlog >= Self.length, "nothing of it goes")
        }
        #expect(rig.holdsBack)
        rig.time.advance(by: .seconds(1))
        try eventually("it goes when nobody writes") { rig.backlog < Self.length }
        try rig.host.store.close()
    }

    /// Somebody writes all the time: what is full goes before it is late.
    @Test func aFullChunkDoesNotWaitForLong() throws {
        let rig = try Rig(.milliseconds(100))
        let file = try rig.host.store.createFile(try chunk(2), length: Self.length)
        let other = try rig.host.store.createFile(try chunk(3), length: Self.length)
        try rig.write(to: other)
        try rig.fill(file)
        let start = rig.time.now()
        while rig.backlog >= Self.length, rig.time.now() - start < .seconds(100) {
            try other.fill(1, pages: 0..<1)
            rig.time.advance(by: .milliseconds(50))
            usleep(500)
        }
        let waited = rig.time.now() - start
        #expect(waited > .seconds(50) && waited < .seconds(100), "\(waited)")
        try rig.host.store.close()
    }

    /// What waits takes half of the time that is left, or more.
    @Test func nothingIsHeldBackFromASlowBucket() throws {
        let rig = try Rig(.seconds(60))
        let other = try rig.host.store.createFile(try chunk(2), length: Self.length)
        try rig.write(to: other)
        let file = try rig.host.store.createFile(try chunk(3), length: Self.length)
        let start = rig.time.now()
        try rig.fill(file)
        while rig.backlog >= Self.length, rig.time.now() - start < .seconds(100) {
            try other.fill(1, pages: 0..<1)
            usleep(500)
        }
        #expect(rig.backlog < Self.length)
        try rig.host.store.close()
    }

    @Test func nothingIsHeldBackWhereFlushesWaitForTheBucket() throws {
        let rig = try Rig(.milliseconds(100), durability: .store)
        let file = try rig.host.store.createFile(try chunk(2), length: Self.length)
        try rig.fill(file)
        #expect(!rig.holdsBack)
        try eventually("it goes at once") { rig.backlog < Self.length }
        try rig.host.store.close()
    }

    @Test func whoeverNeedsTheBucketEndsIt() throws {
        let rig = try Rig(.milliseconds(1))
        let other = try rig.host.store.createFile(try chunk(2), length: Self.length)
        try rig.write(to: other)
        // One that asks whether it is still wanted, and one that waits for the lull.
        var asked = 0
        rig.host.store.awaitLull {
            asked += 1
            return asked < 3
        }
        #expect(asked == 3)
        let store = rig.host.store
        let thread = try SystemThreads().start(name: "lull") { store.awaitLull { true } }
        try store.replaceObject(try name("lineages/a/manifest"), with: [1])
        thread.join()
        #expect(rig.bucket.keys.contains("objects/lineages/a/manifest"))
        try rig.host.store.close()
        store.awaitLull { true }
    }
}
