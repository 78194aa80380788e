import ChunkStore
import Synchronization
import Testing

@testable import S3Store

/// What is written while a chunk is being published, at moments that are chosen.
@Suite("S3: images of chunks")
struct ImageTests {
    /// The chunk before is written to, and then this one, while the one before is published: who
    /// finds the second finds the first.
    @Test func whatAnImageHoldsIsPrecededByWhatItContinues() throws {
        let (earlier, later) = (try chunk(1), try chunk(2))
        let isArmed = Atomic(false)
        let files = Mutex<[any ChunkFile]>([])
        let bucket = HookedBucket(after: { call throws(StoreError) in
            guard case .put(let key, _) = call, key == Bucket.index(earlier),
                isArmed.exchange(false, ordering: .relaxed)
            else { return }
            for file in files.withLock({ $0 }) { try? file.fill(2, pages: 5..<6) }
        })
        let host = try Host(bucket)
        let made = try [earlier, later].map {
            try host.store.createFile($0, length: chunkLength)
        }
        files.withLock { $0 = made }
        let opened = try #require(host.store.uploads.open(later))
        isArmed.store(true, ordering: .relaxed)
        try host.store.uploads.publish(opened)
        let isStillArmed = isArmed.load(ordering: .relaxed)
        #expect(!isStillArmed)
        let other = try Host(bucket)
        let first = try other.store.openFile(earlier).values(5..<6)
        let second = try other.store.openFile(later).values(5..<6)
        #expect(first == [2] || second == [0])
        host.store.uploads.closed(opened)
        files.withLock { $0 = [] }
        try host.store.close()
        let last = try Host(bucket)
        #expect(try last.store.openFile(earlier).values(5..<6) == [2])
        #expect(try last.store.openFile(later).values(5..<6) == [2])
    }

    /// A slot is written while its chunk's image is taken, the body behind all that waits and then
    /// the entry in front: before the first part is read, or after it.
    @Test(arguments: [HookedFile.Moment.before, .after])
    func anEntryIsInAnImageWithItsBody(moment: HookedFile.Moment) throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength, beginning: [1])
        try file.fill(1, pages: 5..<6)
        let opened = try #require(host.store.uploads.open(try chunk(1)))
        let isArmed = Atomic(true)
        try opened.monitor.withLock {
            opened.local = HookedFile(try opened.openLocal()) { now, _ in
                guard now == moment, isArmed.exchange(false, ordering: .relaxed) else { return }
                try? file.fill(2, pages: 7..<8)
                try? file.fill(2, pages: 0..<1)
            }
        }
        try host.store.uploads.publish(opened)
        let isStillArmed = isArmed.load(ordering: .relaxed)
        #expect(!isStillArmed)
        let found = try Host(bucket).store.openFile(try chunk(1)).values(0..<8)
        #expect(found[0] != 2 || found[7] == 2)
        // What came too late for the image waits for the next.
        try host.store.uploads.publish(opened)
        let next = try Host(bucket).store.openFile(try chunk(1)).values(0..<8)
        #expect(next == [2, 0, 0, 0, 0, 1, 0, 2])
        host.store.uploads.closed(opened)
        try host.store.close()
    }

    /// An index that this very session put earlier arrives at last: it is put over. One of a later
    /// session is not.
    @Test func anIndexOfThisSessionThatComesLateIsPutOver() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket) {
            $0.durability = .store
            $0.patience = .milliseconds(300)
        }
        let lock = try host.store.lockExclusively(holder: "first")
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<2)
        try file.synchronize()
        let key = Bucket.index(try chunk(1))
        let found = try #require(try host.store.bucket.find(key, limit: 1 << 20, "look"))
        _ = try host.store.bucket.put(key, found.content, if: .tag(found.tag), "come late")
        try file.fill(2, pages: 1..<2)
        try file.synchronize()
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(0..<3) == [1, 2, 0])
        let later = try Host(bucket).store.bucket
        later.epoch.store(9, ordering: .releasing)
        let now = try #require(try later.find(key, limit: 1 << 20, "look"))
        _ = try later.put(key, now.content, if: .tag(now.tag), "put it later")
        try file.fill(3, pages: 1..<2)
        expect(.conflict) { try file.synchronize() }
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(0..<3) == [1, 2, 0])
        lock.release()
    }
}
