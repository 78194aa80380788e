import ChunkStore
import Scheduling
import Synchronization
import Testing

@testable import S3Store

/// Several hosts have a store at a time, each folder by one of them.
@Suite("S3: a store that is shared")
struct SharingTests {
    private let a = "lineages/a"
    private let b = "lineages/b"

    private func take(
        _ host: Host, _ folder: String, fencing: Bool = false
    ) throws -> TakenFolder {
        try host.store.takeFolder(try name(folder), holder: "\(folder)-user", isFencing: fencing)
    }

    /// Looking again and again costs a listing, and what has changed.
    @Test func whoHasWhatIsReadOnce() throws {
        let reads = Mutex<[String]>([])
        let bucket = MemoryObjects { call throws(StoreError) in
            if case .get(let key, _) = call { reads.withLock { $0.append(key.text) } }
        }
        // No renewal comes between.
        let hosts = try (0..<2).map { _ in
            try Host(bucket) { $0.lease = LeaseTerm(length: .seconds(600)) }
        }
        let members = try hosts.map { try $0.store.join(holder: "a host") }
        let locks = [try take(hosts[0], a).lock, try take(hosts[0], b).lock]
        locks[1].release()
        for _ in 0..<3 { #expect(try hosts[1].store.holders() == [try name(a): "\(a)-user"]) }
        reads.withLock { $0 = [] }
        #expect(try hosts[1].store.holders().count == 1)
        #expect(reads.withLock { $0 }.isEmpty)
        locks[0].release()
        #expect(try hosts[1].store.holders().isEmpty)
        #expect(reads.withLock { $0 } == ["leases/\(a)"])
        for member in members { member.release() }
    }

    /// The first host loses one folder, and nothing else. What it wrote to that one and had not
    /// uploaded is lost, and is told when it takes the folder back.
    @Test func aFolderThatIsTakenAwayTakesNothingElseAlong() throws {
        let bucket = MemoryObjects()
        let (first, second) = (try Host(bucket), try Host(bucket))
        let members = [
            try first.store.join(holder: "first"), try second.store.join(holder: "second"),
        ]
        let (mine, kept) = (try take(first, a), try take(first, b))
        let old = try name("\(a)/m")
        try first.store.replaceObject(old, with: [1])
        let late = first.store.holdings[old]
        let known = try #require(try late.find(Bucket.object(old), limit: 9, "find")).tag
        var file: (any ChunkFile)? = try first.store.createFile(try chunk(1), length: chunkLength)
        try file?.fill(1, pages: 0..<4)
        try first.store.uploads.publishAll(below: a)
        try file?.fill(2, pages: 4..<8)
        let theirs = try take(second, a, fencing: true)
        #expect(try second.store.openFile(try chunk(1)).values(3..<5) == [1, 0])
        expect(.fenced, about: "`\(a)-user`") { try file?.synchronize() }
        expect(.fenced) { try first.store.replaceObject(old, with: [2]) }
        // Calls of the first that come late.
        #expect(throws: StoreError.self) {
            _ = try late.put(Bucket.object(old), [2], if: .tag(known), "late")
        }
        let new = try name("\(a)/late")
        _ = try late.put(Bucket.object(new), [2], if: .absent, "late")
        expect(.notFound) { _ = try second.store.readObject(new, limit: 1) }
        // Its other folder is its own.
        try first.store.replaceObject(try name("\(b)/m"), with: [5])
        expect(.fenced) { _ = try take(first, a) }
        file = nil
        mine.lock.release()
        theirs.lock.release()
        let back = try take(first, a)
        #expect(!back.isUnchanged && first.store.forgottenChunks == 1)
        #expect(try first.store.openFile(try chunk(1)).values(3..<5) == [1, 0])
        expect(.notFound) { _ = try first.store.readObject(new, limit: 1) }
        back.lock.release()
        kept.lock.release()
        for member in members { member.release() }
    }

    /// What one folder went through says nothing of what lies in another, or in none.
    @Test func aTakeoverOfOneFolderLeavesTheOthersAsTheyAre() throws {
        let bucket = MemoryObjects()
        let (first, second) = (try Host(bucket), try Host(bucket))
        let members = [
            try first.store.join(holder: "first"), try second.store.join(holder: "second"),
        ]
        try first.store.replaceObject(try name("common"), with: [1])
        let kept = try take(first, b)
        try first.store.replaceObject(try name("\(b)/m"), with: [2])
        kept.lock.release()
        var locks: [any StoreLock] = []
        for turn in 0..<4 {
            let host = turn % 2 == 0 ? first : second
            locks.append(try take(host, a, fencing: true).lock)
            try host.store.replaceObject(try name("\(a)/m"), with: [UInt8(turn)])
            // Given up, or it could not be taken back.
            if turn > 0 { locks[turn - 1].release() }
        }
        for lock in locks { lock.release() }
        for member in members { member.release() }
        let third = try Host(bucket)
        let whole = try third.store.lockExclusively(holder: "third")
        for (path, value) in [("common", 1), ("\(a)/m", 3), ("\(b)/m", 2)] {
            #expect(try third.store.readObject(try name(path), limit: 1) == [UInt8(value)])
        }
        #expect(try third.store.list(try name(b)).map(\.name) == ["m"])
        whole.release()
    }

    /// A host is gone with a folder: the store as a whole is had after its term, and what it had on
    /// its way does not count.
    @Test func aFolderOfAHostThatIsGoneIsTakenOverWithTheStore() throws {
        let bucket = MemoryObjects()
        let isDead = Atomic(false)
        let dying = MortalBucket(bucket, isDead: { isDead.load(ordering: .relaxed) })
        let first = try Host(dying) { $0.patience = .seconds(1) }
        let member = try first.store.join(holder: "first")
        let mine = try take(first, a)
        try first.store.replaceObject(try name("\(a)/m"), with: [1])
        let epoch = first.store.holdings[try name(a)].epoch.load(ordering: .acquiring)
        isDead.store(true, ordering: .relaxed)
        let second = try Host(bucket)
        var taken: (any StoreLock)?
        try eventually("it is taken") {
            taken = try? second.store.lockExclusively(holder: "second")
            return taken != nil
        }
        let late = try name("\(a)/late")
        let behind = second.store.bucket.behind(second.store.gate)
        behind.epoch.store(epoch, ordering: .releasing)
        _ = try behind.put(Bucket.object(late), [2], if: .absent, "late")
        expect(.notFound) { _ = try second.store.readObject(late, limit: 1) }
        #expect(try second.store.readObject(try name("\(a)/m"), limit: 1) == [1])
        taken?.release()
        // For who takes the folder alone, too.
        let third = try Host(bucket)
        let other = try third.store.join(holder: "third")
        let theirs = try take(third, a)
        expect(.notFound) { _ = try third.store.readObject(late, limit: 1) }
        theirs.lock.release()
        other.release()
        mine.lock.release()
        member.release()
    }

    @Test func whatLiesInNoFolderCountsAfterTheStoreWasTakenOver() throws {
        let bucket = MemoryObjects()
        let (first, second) = (try Host(bucket), try Host(bucket))
        let member = try first.store.join(holder: "first")
        let (old, new) = (try name("old"), try name("new"))
        try first.store.replaceObject(old, with: [1])
        // One that ended without a word, and one that put things in order.
        let lost = try second.store.lockExclusively(holder: "second")
        second.store.gate.fence("a test")
        lost.release()
        try second.restart()
        try second.store.lockExclusively(holder: "second").release()
        #expect(try first.store.readObject(old, limit: 1) == [1])
        try first.store.replaceObject(old, with: [2])
        _ = try first.store.replaceObject(new, with: [3], if: .absent)
        #expect(try Host(bucket).store.readObject(new, limit: 1) == [3])
        #expect(try first.store.versions(below: try name("lineages")).isEmpty)
        member.release()
        let whole = try second.store.lockExclusively(holder: "second")
        #expect(try second.store.readObject(old, limit: 1) == [2])
        #expect(try second.store.readObject(new, limit: 1) == [3])
        whole.release()
    }
}

/// What waits in a cache, and a process that ended.
@Suite("S3: a shared store's cache")
struct SharedCacheTests {
    private let folder = "lineages/a"

    /// The next process uploads it by itself, without anybody asking for the folder.
    @Test func whatAProcessLeftIsUploadedByTheNext() throws {
        let bucket = MemoryObjects()
        let host = try Host(bucket)
        let member = try host.store.join(holder: "first")
        let mine = try host.store.takeFolder(try name(folder), holder: "x", isFencing: false)
        try host.store.createFile(try chunk(1), length: chunkLength).fill(7, pages: 0..<8)
        try host.restart()
        #expect(host.store.uploads.backlog().bytes > 0)
        let next = try host.store.join(holder: "second")
        try eventually("it is uploaded") { host.store.uploads.backlog().bytes == 0 }
        #expect(try Host(bucket).store.openFile(try chunk(1)).values(6..<9) == [7, 7, 0])
        next.release()
        mine.lock.release()
        member.release()
    }

    /// A process that ended right behind the put of its lease, which it had not noted: what waits
    /// is this host's still.
    @Test(arguments: [true, false])
    func aProcessThatEndsWhileItTakesALeaseLosesNothing(isWhole: Bool) throws {
        let copies = Mutex<[MemoryStore]>([])
        let cache = Mutex<MemoryStore?>(nil)
        let key = isWhole ? "lease" : "leases/lineages/a"
        let bucket = HookedBucket(after: { call throws(StoreError) in
            guard case .put(let put, _) = call, put.text == key else { return }
            if let copy = cache.withLock({ $0?.copy() }) { copies.withLock { $0.append(copy) } }
        })
        func take(_ host: Host) throws -> [any StoreLock] {
            if isWhole { return [try host.store.lockExclusively(holder: "x")] }
            let member = try host.store.join(holder: "x")
            let taken = try host.store.takeFolder(try name(folder), holder: "x", isFencing: false)
            return [taken.lock, member]
        }
        // No renewal comes between.
        let host = try Host(bucket) { $0.lease = LeaseTerm(length: .seconds(600)) }
        let first = try take(host)
        try host.store.createFile(try chunk(1), length: chunkLength).fill(7, pages: 0..<8)
        try host.restart()
        cache.withLock { $0 = host.cache }
        let second = try take(host)
        host.store.uploads.abandon()
        cache.withLock { $0 = nil }
        let left = try #require(copies.withLock { $0.first })
        let third = try Host(bucket, cache: left)
        let last = try take(third)
        #expect(third.store.forgottenChunks == 0)
        #expect(try third.store.openFile(try chunk(1)).values(6..<9) == [7, 7, 0])
        for lock in last + second + first { lock.release() }
    }
}
