import ChunkStore
import Scheduling
import Synchronization
import Testing

@testable import S3Store

/// What a lease promises, and what is left of it after its loss, each rule by itself.
@Suite("S3: rules of the lease")
struct LeaseRuleTests {
    private func record(_ bucket: any ObjectStorage) throws -> LeaseRecord {
        let look = try Host(bucket).store.bucket
        let found = try #require(try look.find(Bucket.lease, limit: 4096, "look"))
        return try #require(LeaseRecord(decoding: found.content))
    }

    /// A holder counts from before it asked, and stops a fifth of the term before the end.
    @Test func aHolderStopsBeforeTheEndOfItsTerm() throws {
        let time = HandTime()
        let isCutOff = Atomic(false)
        let bucket = MemoryObjects { call throws(StoreError) in
            guard case .put(Bucket.lease, _) = call else { return }
            if isCutOff.load(ordering: .sequentiallyConsistent) {
                throw StoreError(.busy, operation: "put", cause: "not now")
            }
            time.advance(by: .seconds(2))
        }
        let host = try Host(bucket, time: time) {
            $0.lease = LeaseTerm(length: .seconds(30))
            $0.patience = .seconds(1)
        }
        let start = time.now()
        let lock = try host.store.lockExclusively(holder: "first")
        isCutOff.store(true, ordering: .sequentiallyConsistent)
        // One put to say that it looks for others, and one when it has found none.
        #expect(time.now() == start + .seconds(4))
        time.advance(by: .milliseconds(21_900))
        try host.store.gate.check("look")
        time.advance(by: .milliseconds(200))
        expect(.busy, about: "lease") { try host.store.gate.check("look") }
        lock.release()
    }

    /// The other's term counts, however short one's own is.
    @Test func whoFencesWaitsForAsLongAsTheOtherMayAct() throws {
        let time = HandTime()
        let bucket = MemoryObjects()
        let first = try Host(bucket, time: time) { $0.lease = LeaseTerm(length: .seconds(60)) }
        let second = try Host(bucket, time: time) {
            $0.lease = LeaseTerm(length: .seconds(20))
            $0.patience = .seconds(600)
        }
        let lock = try first.store.lockExclusively(holder: "first")
        let start = time.now()
        let next = try second.store.lockExclusively(holder: "second", fencing: true)
        #expect(time.now() - start >= .seconds(60))
        next.release()
        lock.release()
    }

    @Test func whoIsFencedDoesNotGiveTheLeaseBack() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket) { $0.lease = LeaseTerm(length: .seconds(600)) }
        let lock = try host.store.lockExclusively(holder: "first")
        host.store.gate.fence("a test")
        lock.release()
        #expect(try record(bucket).holder != nil)
        // Of one that is not fenced it is given back.
        try host.restart()
        try host.store.lockExclusively(holder: "first").release()
        #expect(try record(bucket).holder == nil)
    }

    /// Whoever has it renews it right between the look at it and the put of who takes it.
    @Test func aLeaseThatIsRenewedMeanwhileIsTakenAllTheSame() throws {
        let renew = Mutex<(@Sendable () throws -> Void)?>(nil)
        let objects = HookedBucket(after: { call throws(StoreError) in
            guard case .get(let key, _) = call, key == Bucket.lease else { return }
            let once = renew.withLock { renew in
                defer { renew = nil }
                return renew
            }
            try? once?()
        })
        let (first, second) = (try Host(objects), try Host(objects))
        let lock = try first.store.lockExclusively(holder: "first")
        renew.withLock { $0 = { [store = first.store] in try store.renewLease() } }
        let next = try second.store.lockExclusively(holder: "second", fencing: true)
        #expect(try record(objects.base).name == "second")
        next.release()
        lock.release()
    }

    /// A server that compares tags in its own way.
    @Test func aLeaseThatNoPutReplacesIsAnError() throws {
        let bucket = MemoryObjects()
        try Host(bucket).store.lockExclusively(holder: "first").release()
        let refusing = RefusingBucket(bucket)
        expect(.io, about: "the server refused each of 100 puts") {
            _ = try Host(refusing).store.lockExclusively(holder: "second")
        }
    }

    /// A process of this host ended with its lease: what it had on the way does not count.
    @Test func aLeaseOfThisCacheThatWasNotGivenBackIsTakenOver() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket) { $0.lease = LeaseTerm(length: .seconds(600)) }
        let (old, new) = (try name("lineages/a/manifest"), try name("lineages/a/late"))
        let lock = try host.store.lockExclusively(holder: "first")
        try host.store.replaceObject(old, with: [1])
        let late = host.store.bucket
        let known = try #require(try late.find(Bucket.object(old), limit: 9, "find")).tag
        try host.restart()
        let next = try host.store.lockExclusively(holder: "second")
        #expect(try record(bucket).floor == 2)
        expect(.conflict) { _ = try late.put(Bucket.object(old), [2], if: .tag(known), "late") }
        _ = try late.put(Bucket.object(new), [2], if: .absent, "late")
        #expect(try host.store.readObject(old, limit: 1) == [1])
        expect(.notFound) { _ = try host.store.readObject(new, limit: 1) }
        next.release()
        lock.release()
    }

    @Test func aTakeoverRaisesTheFloorForAllWhoCome() throws {
        let bucket = MemoryObjects()
        let (first, second) = (try Host(bucket), try Host(bucket))
        let lock = try first.store.lockExclusively(holder: "first")
        #expect(try record(bucket).floor == 0)
        let next = try second.store.lockExclusively(holder: "second", fencing: true)
        #expect(try record(bucket).floor == 2)
        #expect(second.store.bucket.floor.load(ordering: .acquiring) == 2)
        next.release()
        let third = try Host(bucket)
        let last = try third.store.lockExclusively(holder: "third")
        #expect(try record(bucket).floor == 2)
        #expect(third.store.bucket.floor.load(ordering: .acquiring) == 2)
        last.release()
        lock.release()
    }

    @Test func whatIsBelowTheFloorIsNotThere() throws {
        let bucket = MemoryObjects()
        let (low, high) = (try name("lineages/a/low"), try name("lineages/a/high"))
        let writer = try Host(bucket).store
        for (epoch, object) in [(3, low), (4, high)] {
            writer.bucket.epoch.store(UInt64(epoch), ordering: .releasing)
            try writer.replaceObject(object, with: [1])
        }
        func reader() throws -> S3Store {
            let store = try Host(bucket).store
            store.bucket.epoch.store(4, ordering: .releasing)
            store.bucket.floor.store(4, ordering: .releasing)
            return store
        }
        expect(.notFound) { _ = try reader().readObject(low, limit: 1) }
        #expect(try reader().readObject(high, limit: 1) == [1])
        let folder = try name("lineages/a")
        #expect(try reader().list(folder).map(\.name) == ["high"])
        #expect(try reader().survey(folder).map(\.name) == ["high"])
        expect(.notFound) { try reader().remove(low) }
        expect(.alreadyExists) {
            _ = try reader().replaceObject(high, with: [2], if: .absent)
        }
        _ = try reader().replaceObject(low, with: [2], if: .absent)
        #expect(try reader().readObject(low, limit: 1) == [2])
    }

    /// A put of which nobody can say what became of it, where that matters, is the last.
    @Test func aPutThatCannotBeDecidedFences() throws {
        let time = HandTime()
        let gate = LeaseGate(threads: SystemThreads(), time: time, patience: .seconds(5))
        let silent = MemoryObjects { _ throws(StoreError) in throw .noAnswer }
        let bucket = Bucket(silent, gate: gate, time: time, patience: .seconds(5)) { count in
            [UInt8](repeating: 7, count: count)
        }
        expect(.unanswered) { _ = try bucket.put(ObjectKey("a"), [1], if: .absent, "put a") }
        #expect(!gate.isFenced)
        let start = time.now()
        expect(.fenced, about: "cannot be told") {
            _ = try bucket.put(ObjectKey("a"), [1], if: .absent, mustDecide: true, "put a")
        }
        #expect(time.now() - start >= .seconds(5))
        #expect(gate.isFenced)
    }

    /// What was lost before a flush, or during it, is not answered as durable.
    @Test(arguments: S3StoreOptions.Durability.allCases)
    func aFlushPassesTheGateTwice(durability: S3StoreOptions.Durability) throws {
        let gate = Mutex<LeaseGate?>(nil)
        let cache = FaultyStore(MemoryStore()) { operation, _ in
            if operation == .synchronize { gate.withLock { $0 }?.fence("a test") }
        }
        var options = try Host(MemoryObjects()).options
        options.durability = durability
        let store = try Host.open(MemoryObjects(), cache, options)
        let file = try store.createFile(try chunk(1), length: chunkLength)
        try file.fill(1, pages: 0..<2)
        try file.synchronize()
        gate.withLock { $0 = store.gate }
        try file.fill(2, pages: 0..<2)
        expect(.fenced, about: "a test") { try file.synchronize() }
        #expect(store.gate.isFenced)
        // Once it is known the medium is not asked.
        let count = cache.count(of: [.synchronize])
        expect(.fenced, about: "a test") { try file.synchronize() }
        #expect(cache.count(of: [.synchronize]) == count)
        store.uploads.abandon()
    }
}
