import ChunkStore
import Synchronization
import Testing

@testable import S3Store

/// A host that takes the store as a whole, and gets no further than that.
@Suite("S3: taking the whole of a shared store")
struct WholeLeaseTests {
    private let a = "lineages/a"
    private let b = "lineages/b"

    private func take(
        _ host: Host, _ folder: String, fencing: Bool = false
    ) throws -> TakenFolder {
        try host.store.takeFolder(try name(folder), holder: "\(folder)-user", isFencing: fencing)
    }

    /// A host's way to a bucket, which ends with the first put of `key`.
    private func dying(_ bucket: MemoryObjects, with key: String) throws -> Host {
        let isDead = Mutex(false)
        let hooked = HookedBucket(
            over: bucket,
            after: { call throws(StoreError) in
                guard case .put(let put, _) = call, put.text == key else { return }
                isDead.withLock { $0 = true }
            })
        return try Host(MortalBucket(hooked, isDead: { isDead.withLock { $0 } })) {
            $0.patience = .milliseconds(100)
        }
    }

    private func record(_ bucket: MemoryObjects, _ key: ObjectKey) throws -> LeaseRecord {
        let found = try #require(
            try Host(bucket).store.bucket.find(key, limit: 4096, "look"))
        return try #require(LeaseRecord(decoding: found.content))
    }

    @Test(arguments: [false, true])
    func oneThatEndsBeforeItHasLookedForOthersKeepsNobodyOut(isFencing: Bool) throws {
        let bucket = MemoryObjects()
        let first = try Host(bucket)
        let member = try first.store.join(holder: "first")
        let mine = try take(first, a)
        try first.store.createFile(try chunk(1), length: chunkLength).fill(7, pages: 0..<8)
        let gone = try dying(bucket, with: "lease")
        #expect(throws: StoreError.self) {
            _ = try gone.store.lockExclusively(holder: "gone", fencing: isFencing)
        }
        #expect(try record(bucket, Bucket.lease).isPending)
        // Whoever is there goes on, and another comes once it is sure that nobody is.
        try first.store.replaceObject(try name("common"), with: [1])
        try first.store.replaceObject(try name("\(a)/m"), with: [2])
        let second = try Host(bucket)
        expect(.locked, about: "`gone`") { _ = try second.store.join(holder: "second") }
        var joined: (any StoreLock)?
        try eventually("another joins") {
            joined = try? second.store.join(holder: "second")
            return joined != nil
        }
        let other = try #require(joined)
        try take(second, b).lock.release()
        expect(.locked, about: "`\(a)-user`") { _ = try take(second, a) }
        // What the first has not uploaded is its own still.
        try first.restart()
        let back = try first.store.join(holder: "first again")
        let again = try take(first, a)
        #expect(first.store.forgottenChunks == 0)
        #expect(try first.store.openFile(try chunk(1)).values(6..<9) == [7, 7, 0])
        for lock in [again.lock, mine.lock, back, member, other] { lock.release() }
    }

    /// Who has a folder comes upon a taking that came to nothing, too.
    @Test func anotherFolderIsTakenAfterATakingThatCameToNothing() throws {
        let bucket = MemoryObjects()
        let first = try Host(bucket)
        let member = try first.store.join(holder: "first")
        let mine = try take(first, a)
        let gone = try dying(bucket, with: "lease")
        #expect(throws: StoreError.self) { _ = try gone.store.lockExclusively(holder: "gone") }
        var taken: TakenFolder?
        try eventually("it is taken") {
            taken = try? take(first, b)
            return taken != nil
        }
        #expect(try record(bucket, Bucket.lease).holder == nil)
        taken?.lock.release()
        mine.lock.release()
        member.release()
    }

    /// It has fenced one of two hosts: that one lost its folder, whoever fenced it; the other and
    /// those who come are not concerned.
    @Test func oneThatEndsWhileItFencesLeavesTheRestAsItWas() throws {
        let bucket = MemoryObjects()
        let (first, second) = (try Host(bucket), try Host(bucket))
        let members = [
            try first.store.join(holder: "first"), try second.store.join(holder: "second"),
        ]
        let (mine, theirs) = (try take(first, a), try take(second, b))
        let old = first.store.holdings[try name(a)]
        try first.store.replaceObject(try name("\(a)/m"), with: [1])
        let gone = try dying(bucket, with: "leases/\(a)")
        #expect(throws: StoreError.self) {
            _ = try gone.store.lockExclusively(holder: "gone", fencing: true)
        }
        try eventually("it knows") { first.store.holdings[try name(a)].gate.isFenced }
        try second.store.replaceObject(try name("\(b)/m"), with: [2])
        mine.lock.release()
        let third = try Host(bucket)
        var locks: [any StoreLock] = []
        try eventually("another joins") {
            if let lock = try? third.store.join(holder: "third") { locks.append(lock) }
            return !locks.isEmpty
        }
        try eventually("the folder is taken") {
            if let taken = try? take(third, a) { locks.append(taken.lock) }
            return locks.count == 2
        }
        // What the fenced one had on its way does not count.
        let late = try name("\(a)/late")
        _ = try old.put(Bucket.object(late), [2], if: .absent, "late")
        expect(.notFound) { _ = try third.store.readObject(late, limit: 1) }
        #expect(try third.store.readObject(try name("\(a)/m"), limit: 1) == [1])
        #expect(try third.store.readObject(try name("\(b)/m"), limit: 1) == [2])
        for lock in locks.reversed() + [theirs.lock] + members { lock.release() }
    }

    /// A folder's lease is renewed between the look at it and the put of who fences its holder.
    @Test func aFolderThatIsRenewedMeanwhileIsFencedAllTheSame() throws {
        let bucket = MemoryObjects()
        let first = try Host(bucket)
        let member = try first.store.join(holder: "first")
        let mine = try take(first, a)
        let key = Bucket.lease(of: try name(a))
        // Each look before the fencing put finds a lease that is renewed right behind it.
        let renewals = Atomic(2)
        let hooked = HookedBucket(
            over: bucket,
            after: { [store = first.store] call throws(StoreError) in
                guard case .get(key, _) = call,
                    renewals.load(ordering: .relaxed) > 0
                else { return }
                renewals.subtract(1, ordering: .relaxed)
                try store.held.withLock { $0[key] }?.renew()
            })
        let second = try Host(hooked)
        let whole = try second.store.lockExclusively(holder: "second", fencing: true)
        #expect(renewals.load(ordering: .relaxed) == 0)
        expect(.fenced) { try first.store.replaceObject(try name("\(a)/m"), with: [1]) }
        // Put in order, it is nobody's: the next one need not wait.
        #expect(try record(bucket, key).holder == nil)
        whole.release()
        mine.lock.release()
        member.release()
    }
}
