import ChunkStore
import Scheduling
import Synchronization
import Testing

@testable import S3Store

/// Who has the store, and what becomes of what the earlier holder does.
@Suite("S3: the lease and its loss")
struct LeaseTests {
    @Test func aSecondHostIsRefusedWithTheHoldersName() throws {
        let bucket = MemoryObjects()
        let (first, second) = (try Host(bucket), try Host(bucket))
        let lock = try first.store.lockExclusively(holder: "sealdisk mount /a")
        for _ in 0..<3 {
            expect(.locked, about: "in use by `sealdisk mount /a`") {
                _ = try second.store.lockExclusively(holder: "sealdisk mount /b")
            }
            HostPause.short()
        }
        lock.release()
        let next = try second.store.lockExclusively(holder: "sealdisk mount /b")
        expect(.locked, about: "`sealdisk mount /b`") {
            _ = try first.store.lockExclusively(holder: "sealdisk mount /a")
        }
        next.release()
    }

    @Test func aLeaseIsRenewedForAsLongAsItIsHeld() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let lock = try host.store.lockExclusively(holder: "first")
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        for _ in 0..<30 {
            HostPause.short()
            try file.synchronize()
        }
        lock.release()
    }

    /// The holder is gone without a word: its term is waited for. What it had not uploaded is lost
    /// with it, what it had is there.
    @Test func aLeaseThatNobodyRenewsIsTaken() throws {
        let bucket = MemoryObjects()
        let isDead = Atomic(false)
        let dying = MortalBucket(bucket, isDead: { isDead.load(ordering: .relaxed) })
        let first = try Host(dying) { $0.patience = .seconds(1) }
        let lock = try first.store.lockExclusively(holder: "first")
        let file = try first.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<8)
        try first.store.replaceObject(try name("lineages/a/manifest"), with: [1])
        try file.fill(2, pages: 8..<16)
        isDead.store(true, ordering: .relaxed)
        let second = try Host(bucket)
        var taken: (any StoreLock)?
        try eventually("it is taken") {
            taken = try? second.store.lockExclusively(holder: "second")
            return taken != nil
        }
        let next = try #require(taken)
        #expect(try second.store.openFile(try chunk(1)).values(7..<9) == [1, 0])
        expect(.busy, about: "lease") { try file.synchronize() }
        // Back again: it learns of it, and nothing of it counts.
        isDead.store(false, ordering: .relaxed)
        try eventually("it knows") { first.store.gate.isFenced }
        expect(.fenced, about: "`second`") { try file.synchronize() }
        expect(.fenced) { try first.store.replaceObject(try name("lineages/a/m"), with: [2]) }
        lock.release()
        next.release()
        // Its cache holds what never became part of the store: it goes.
        try first.restart()
        let third = try first.store.lockExclusively(holder: "first again")
        #expect(try first.store.openFile(try chunk(1)).values(7..<9) == [1, 0])
        third.release()
    }

    @Test func aProcessThatWasKilledHasItsStoreBackAtOnce() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket) { $0.lease = LeaseTerm(length: .seconds(600)) }
        let isDead = Atomic(false)
        let doomed = try S3Store(
            MortalBucket(bucket, isDead: { isDead.load(ordering: .relaxed) }), cache: host.cache,
            options: host.options, threads: SystemThreads(), time: host.store.time,
            wallSeconds: host.store.wallSeconds, random: host.store.random)
        let lock = try doomed.lockExclusively(holder: "first")
        try doomed.createFile(try chunk(1), length: chunkLength).fill(3, pages: 0..<8)
        // As a kill leaves it: the bucket hears nothing more of it, the host's lock is free.
        isDead.store(true, ordering: .relaxed)
        try host.restart()
        let next = try host.store.lockExclusively(holder: "second")
        #expect(try host.store.openFile(try chunk(1)).values(7..<9) == [3, 0])
        next.release()
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(7..<9) == [3, 0])
        doomed.uploads.abandon()
        lock.release()
    }

    @Test func whoIsFencedChangesNothingMore() throws {
        let bucket = MemoryObjects()
        let (first, second) = (
            try Host(bucket) { $0.durability = .store }, try Host(bucket) { $0.durability = .store }
        )
        let manifest = try name("lineages/a/manifest")
        let lock = try first.store.lockExclusively(holder: "first")
        try first.store.replaceObject(manifest, with: [1])
        let file = try first.store.createFile(try chunk(1), length: chunkLength)
        let flushed = Atomic(0)
        let writer = try first.store.threads.start(name: "writer") {
            for page in 0..<64 {
                do {
                    try file.fill(UInt8(page + 1), pages: page..<page + 1)
                    try file.synchronize()
                } catch { return }
                flushed.store(page + 1, ordering: .releasing)
                HostPause.short()
            }
        }
        try eventually("it writes") { flushed.load(ordering: .acquiring) > 1 }
        let next = try second.store.lockExclusively(holder: "second", fencing: true)
        // All that was ever called durable is there, and it stays what it is.
        let count = flushed.load(ordering: .acquiring)
        let found = try second.store.openFile(try chunk(1)).values(0..<64)
        #expect(found[..<count].elementsEqual((1...count).map(UInt8.init)))
        writer.join()
        #expect(flushed.load(ordering: .acquiring) == count)
        expect(.fenced, about: "`second`") { try file.synchronize() }
        expect(.fenced) { try first.store.replaceObject(manifest, with: [2]) }
        expect(.fenced) { _ = try first.store.createFile(try chunk(2), length: chunkLength) }
        expect(.fenced) { try first.store.remove(manifest) }
        expect(.fenced) { try first.store.removeFolder(try name("lineages/a")) }
        #expect(try second.store.readObject(manifest, limit: 1) == [1])
        try second.store.replaceObject(manifest, with: [3])
        lock.release()
        next.release()
    }

    /// Puts of the earlier holder that arrive after everything: none of them counts.
    @Test func putsThatComeLateDoNotCount() throws {
        let bucket = MemoryObjects()
        let (first, second) = (try Host(bucket), try Host(bucket))
        let (old, new) = (try name("lineages/a/manifest"), try name("lineages/a/late"))
        let lock = try first.store.lockExclusively(holder: "first")
        try first.store.replaceObject(old, with: [1])
        let late = first.store.bucket
        let known = try #require(try late.find(Bucket.object(old), limit: 9, "find")).tag
        let next = try second.store.lockExclusively(holder: "second", fencing: true)
        #expect(throws: StoreError.self) {
            _ = try late.put(Bucket.object(old), [2], if: .tag(known), "late")
        }
        _ = try late.put(Bucket.object(new), [2], if: .absent, "late")
        #expect(try second.store.readObject(old, limit: 1) == [1])
        expect(.notFound) { _ = try second.store.readObject(new, limit: 1) }
        #expect(
            try second.store.list(try name("lineages/a")).map(\.name).sorted() == ["manifest"])
        // Also for who comes after.
        next.release()
        let third = try Host(bucket)
        let last = try third.store.lockExclusively(holder: "third")
        expect(.notFound) { _ = try third.store.readObject(new, limit: 1) }
        #expect(try third.store.list(try name("lineages/a")).map(\.name) == ["manifest"])
        _ = try third.store.replaceObject(new, with: [4], if: .absent)
        #expect(try third.store.readObject(new, limit: 1) == [4])
        last.release()
        lock.release()
    }

    /// An answer that was lost is found out about.
    @Test func aPutWhoseAnswerIsLostIsDecided() throws {
        for isDone in [true, false] {
            let bucket = MemoryObjects()
            let calls = Atomic(0)
            let losing = LosingBucket(bucket, isDone: isDone) {
                calls.add(1, ordering: .relaxed).newValue == 2
            }
            let store = try Host(losing).store
            let object = try name("lineages/a/manifest")
            try store.replaceObject(object, with: [1])
            let version = try store.readVersioned(object, limit: 1).version
            let next = try store.replaceObject(object, with: [2], if: .version(version))
            #expect(try store.readVersioned(object, limit: 1).version == next)
            #expect(try store.readObject(object, limit: 1) == [2])
            #expect(calls.load(ordering: .relaxed) == (isDone ? 2 : 3))
        }
    }
}
