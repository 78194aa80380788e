import ChunkStore
import Synchronization
import Testing

@testable import S3Store

/// What becomes of calls whose answers were lost, and of what was done while a call failed.
@Suite("S3: answers that are lost, calls that come late")
struct LateCallTests {
    /// A put that takes effect without an answer, with nobody to ask for some calls after it.
    private func silent(_ key: ObjectKey, for gets: Int) -> (
        HookedBucket, arm: @Sendable () -> Void
    ) {
        let left = Flag()
        let bucket = HookedBucket { call throws(StoreError) in
            guard case .get(key, _) = call, left.takeOne() else { return }
            throw .noAnswer
        } after: { call throws(StoreError) in
            guard case .put(key, _) = call, left.fire(gets) else { return }
            throw .noAnswer
        }
        return (bucket, { left.arm() })
    }

    @Test func aRenewalWhoseAnswerWasLostIsNotAnothersLease() throws {
        let (bucket, arm) = silent(Bucket.lease, for: 2)
        let host = try Host(bucket) { $0.lease = LeaseTerm(length: .seconds(60)) }
        let lock = try host.store.lockExclusively(holder: "first")
        arm()
        expect(.unanswered) { try host.store.renewLease() }
        try host.store.renewLease()
        #expect(!host.store.gate.isFenced)
        lock.release()
        let next = try Host(bucket).store.lockExclusively(holder: "second")
        next.release()
    }

    @Test func anIndexWhoseAnswerWasLostIsPutAgain() throws {
        let (bucket, arm) = silent(Bucket.index(try chunk(1)), for: 2)
        let host = try Host(bucket) { $0.durability = .store }
        let lock = try host.store.lockExclusively(holder: "first")
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<2)
        arm()
        let opened = try #require(host.store.uploads.open(try chunk(1)))
        expect(.unanswered) { try host.store.uploads.publish(opened) }
        host.store.uploads.closed(opened)
        try file.fill(2, pages: 1..<2)
        try file.synchronize()
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(0..<3) == [1, 2, 0])
        lock.release()
    }

    /// The chunk is there again, as far as its first page goes, and can be removed once more.
    @Test func anIndexThatComesAfterItsChunkWasRemovedIsRemovedAgain() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<64)
        try host.store.uploads.publishAll(below: nil)
        let key = Bucket.index(try chunk(1))
        let late = try #require(try host.store.bucket.find(key, limit: 1 << 20, "look")).content
        try host.store.remove(try chunk(1))
        #expect(bucket.keys.isEmpty)
        _ = try host.store.bucket.put(key, late, if: .absent, "come late")
        let folder = try name("lineages/a/chunks/0001/000000")
        #expect(try host.store.list(folder).count == 1)
        let again = try host.store.openFile(try chunk(1))
        #expect(try again.values(0..<1) == [1])
        expect(.io, about: "lost a part") { _ = try again.values(1..<2) }
        try host.store.remove(try chunk(1))
        #expect(bucket.keys.isEmpty)
        try host.store.close()
    }

    /// The first attempt arrives after somebody has looked for it, and before the second.
    @Test func aPutThatMeetsItselfIsDone() throws {
        let object = try name("lineages/a/manifest")
        let bucket = TardyBucket(key: Bucket.object(object))
        let store = try Host(bucket).store
        try store.replaceObject(object, with: [1])
        let version = try store.readVersioned(object, limit: 1).version
        bucket.isArmed.store(true, ordering: .relaxed)
        let next = try store.replaceObject(object, with: [2], if: .version(version))
        #expect(try store.readVersioned(object, limit: 1).version == next)
        #expect(try store.readObject(object, limit: 1) == [2])
    }

    /// Nobody can say whether it comes yet: the session is over, and the next one makes sure.
    @Test func anObjectThatCannotBeDecidedEndsTheSession() throws {
        let object = try name("lineages/a/manifest")
        let (bucket, arm) = silent(Bucket.object(object), for: 1_000_000)
        let host = try Host(bucket) { $0.patience = .milliseconds(400) }
        let lock = try host.store.lockExclusively(holder: "first")
        try host.store.replaceObject(object, with: [1])
        arm()
        expect(.fenced, about: "cannot be told") {
            try host.store.replaceObject(object, with: [2])
        }
        expect(.fenced) { try host.store.remove(object) }
        lock.release()
        // It was not given back: who comes next takes it over.
        let found = try #require(try host.store.bucket.find(Bucket.lease, limit: 4096, "look"))
        #expect(LeaseRecord(decoding: found.content)?.holder != nil)
    }

    @Test func whatIsUploadedWhileAFolderIsListedIsInTheList() throws {
        let uploads = Mutex<Uploads?>(nil)
        let bucket = HookedBucket(after: { call throws(StoreError) in
            guard case .list(let prefix) = call, prefix.hasPrefix("chunks/") else { return }
            try uploads.withLock { $0 }?.publishAll(below: nil)
        })
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<2)
        uploads.withLock { $0 = host.store.uploads }
        #expect(try host.store.list(try name("lineages/a/chunks/0001/000000")).count == 1)
    }

    /// Whoever closes while the lease cannot be renewed is not held for ever.
    @Test func aStoreClosesThoughTheBucketIsGone() throws {
        let isGone = Atomic(false)
        let bucket = MemoryObjects { call throws(StoreError) in
            if isGone.load(ordering: .relaxed) { throw .noAnswer }
        }
        let host = try Host(bucket) {
            $0.patience = .milliseconds(400)
            $0.lag = .milliseconds(10)
        }
        let lock = try host.store.lockExclusively(holder: "first")
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        isGone.store(true, ordering: .relaxed)
        for page in 0..<64 { try file.fill(1, pages: page..<page + 1) }
        // By now the lease has run out, and those who upload wait for it.
        for _ in 0..<16 { HostPause.short() }
        lock.release()
    }

    /// A copy that was not finished is none.
    @Test func aCopyThatWasNotFinishedIsMadeAnew() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(5, pages: 0..<64)
        try host.store.close()
        let memory = MemoryStore()
        let cache = FaultyStore(memory)
        let store = try Host.open(bucket, cache, host.options)
        let again = try store.openFile(try chunk(1))
        cache.arm(Fault([.write], prefix: "whole/", effect: .half))
        expect(.io) { try again.fill(6, pages: 3..<4) }
        let restarted = try Host.open(bucket, memory.copy(), host.options)
        #expect(try restarted.openFile(try chunk(1)).values(2..<5) == [5, 5, 5])
        try again.fill(7, pages: 3..<4)
        #expect(try again.values(2..<5) == [5, 7, 5])
        try restarted.close()
        try store.close()
    }

    /// A chunk that could not be put anew waits for nothing: there are only copies here.
    @Test func aFailureToPutAnewLeavesWhatIsInTheBucket() throws {
        let isFailing = Atomic(false)
        let bucket = MemoryObjects { call throws(StoreError) in
            guard case .put = call, isFailing.load(ordering: .relaxed) else { return }
            throw StoreError(.busy, operation: "put", cause: "not now")
        }
        let host = try Host(bucket)
        let file = try host.store.createFile(try chunk(1), length: chunkLength)
        try file.fill(5, pages: 0..<64)
        try host.store.close()
        let second = try Host(bucket) { $0.durability = .store }
        let again = try second.store.openFile(try chunk(1))
        #expect(try again.values(0..<2) == [5, 5])
        let opened = try #require(second.store.uploads.open(try chunk(1)))
        isFailing.store(true, ordering: .relaxed)
        expect(.busy) { try second.store.uploads.publish(opened, anew: true) }
        isFailing.store(false, ordering: .relaxed)
        #expect(try opened.evict())
        try again.synchronize()
        #expect(try again.values(0..<3) == [5, 5, 5])
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(0..<3) == [5, 5, 5])
        second.store.uploads.closed(opened)
        try second.store.close()
    }
}

/// Fires once when it was armed, and then counts so many down.
private final class Flag: Sendable {
    private let state = Mutex((isArmed: false, left: 0))

    func arm() { state.withLock { $0.isArmed = true } }

    func fire(_ count: Int) -> Bool {
        state.withLock {
            guard $0.isArmed else { return false }
            $0 = (false, count)
            return true
        }
    }

    func takeOne() -> Bool {
        state.withLock {
            guard $0.left > 0 else { return false }
            $0.left -= 1
            return true
        }
    }
}

/// A bucket at which one put arrives when the next is made.
private final class TardyBucket: ObjectStorage {
    let base = MemoryObjects()
    let isArmed = Atomic(false)
    private let key: ObjectKey
    private let tardy = Mutex<(body: [UInt8], condition: PutCondition)?>(nil)

    init(key: ObjectKey) { self.key = key }

    func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        let bytes = Array(body)
        if key == self.key, isArmed.exchange(false, ordering: .relaxed) {
            tardy.withLock { $0 = (bytes, condition) }
            throw .noAnswer
        }
        let late = tardy.withLock { late in
            defer { late = nil }
            return late
        }
        if let late {
            _ = try? late.body.withUnsafeBytes { try base.put(key, $0, if: late.condition) }
        }
        return try base.put(key, body, if: condition)
    }

    func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart { try base.get(key, from: offset, into: buffer) }

    func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        try base.list(prefix, isDeep: isDeep)
    }

    func delete(_ key: ObjectKey) throws(StoreError) { try base.delete(key) }
}
