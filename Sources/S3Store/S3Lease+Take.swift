import ChunkStore
import Scheduling

// Taking a lease.
//
// Whoever has the whole store has every folder. So whoever takes a folder puts its lease first and
// then looks whether somebody has the store; whoever takes the store puts its lease first and then
// looks at those of all folders. Of two who do this at once one sees the other, or both do.
//
// Epochs ascend for each name: a folder's is drawn above the store's, and the store's above those
// of all folders. So the higher one of the two tells who had the folder last.
extension S3Lease {
    /// What earlier holders have come to, of a folder or of the store.
    struct Past {
        var epoch: UInt64 = 0
        var floor: UInt64 = 0
        /// Whether the last one gave it back in order.
        var isClean = true

        mutating func add(_ record: LeaseRecord?) {
            guard let record else { return }
            floor = max(floor, record.floor)
            addBelow(record)
        }

        /// Of a part, which keeps its own floor.
        mutating func addBelow(_ record: LeaseRecord?) {
            guard let record else { return }
            epoch = max(epoch, record.epoch)
            if record.holder != nil, !record.isPending { isClean = false }
        }
    }

    /// Takes it. False if nothing came of it, since somebody had the store as a whole meanwhile:
    /// then it is to be tried anew, by another lease. Of the store it is always true.
    ///
    /// Throws `.locked` if somebody has it, `.io`.
    @discardableResult
    func take(fencing: Bool) throws(StoreError) -> Bool {
        for _ in 0..<100 {
            if let isTaken = try takeAsFound(fencing: fencing) { return isTaken }
        }
        throw StoreError(
            .io, operation: taking,
            cause: "the server refused each of 100 puts of the lease, as if others had put it")
    }

    /// nil if its holder has renewed it in this moment, or another has come.
    private func takeAsFound(fencing: Bool) throws(StoreError) -> Bool? {
        let cache = try store.cache.identity(drawing: store.random)
        let above = folder == nil ? nil : try leaseOfNobody(for: cache)
        let (found, hasEnded) = try free(key, for: cache, fencing: fencing)
        // The other stops by the term that it has, which need not be this host's.
        var wait = hasEnded ? .zero : Self.patience(for: found)
        var past = Past()
        past.add(found?.record)
        past.add(above?.record)
        let last = past.epoch
        let isOurs = try store.cache.hadLast(
            folder, found, below: folder == nil ? found : above, cache)
        try store.cache.prepareTaking(folder, after: last, hadLast: isOurs)
        let isPending = folder == nil && past.isClean
        var record = newRecord(
            epoch: isPending ? last : last + 1, floor: past.floor, for: cache)
        record.isPending = isPending
        prepare(record, over: found?.tag, before: last)
        guard try putFirst() else { return nil }
        var isAlone = false
        do {
            try startRenewing()
            var below: [ObjectName: S3Store.FoundLease] = [:]
            if folder == nil {
                below = try takeFolders(for: cache, fencing: fencing, &past, &wait)
            } else if try leaseOfNobody(for: cache)?.record.epoch != above?.record.epoch {
                // What was put there has a higher epoch than this one's, perhaps.
                withdraw(after: past, wasAlone: false)
                return false
            }
            isAlone = true
            try waitOut(wait)
            try settleCache(cache, found, below: below, isOurs: isOurs)
            try begin(past, below)
            return true
        } catch {
            withdraw(after: past, wasAlone: isAlone)
            throw error
        }
    }

    /// One of this cache, renewed now.
    func newRecord(epoch: UInt64, floor: UInt64, for cache: String) -> LeaseRecord {
        LeaseRecord(
            epoch: epoch, floor: floor, holder: cache,
            termMilliseconds: UInt64(term.length.wholeNanoseconds / 1_000_000),
            renewed: store.wallSeconds(), name: name)
    }

    /// Gives back a lease that could not be had after all: nothing was done under it. Who did not
    /// finish taking over from another leaves that to do; and where something waits in the cache, a
    /// lease that is not known to be the last one stays this cache's until its term is over.
    private func withdraw(after past: Past, wasAlone: Bool) {
        if isPending { return withdraw(givingBack: true) }
        let waits = store.uploads.foldersThatWait().contains { folder == nil || $0 == folder }
        let isNoted = waits && wasAlone && (try? store.cache.note(epoch, of: folder)) != nil
        withdraw(givingBack: past.isClean && (isNoted || !waits))
    }

    /// How long another may act who was not heard: a term by a clock that is slow.
    static func patience(for found: S3Store.FoundLease?) -> Duration {
        let term = Duration.milliseconds(Int64(found?.record.termMilliseconds ?? 0))
        return term + term / 5
    }

    /// A lease as it may be taken, and whether nobody can still be acting by it. Throws `.locked`
    /// if somebody has it.
    func free(
        _ key: ObjectKey, for cache: String, fencing: Bool
    ) throws(StoreError) -> (found: S3Store.FoundLease?, isAlone: Bool) {
        guard let first = try store.findLease(key, taking) else { return (nil, true) }
        guard let holder = first.record.holder, holder != cache else { return (first, true) }
        if fencing { return (first, false) }
        let foreign = Duration.milliseconds(Int64(first.record.termMilliseconds))
        let now = store.wallSeconds()
        let age = now > first.record.renewed ? now - first.record.renewed : 0
        if first.record.renewed <= now, Duration.seconds(Int64(age)) < foreign {
            throw locked(first.record)
        }
        // Nobody's clock is believed: it must stay as it is for a whole term.
        let start = store.time.now()
        while store.time.now() - start < Self.patience(for: first) {
            store.time.sleep(for: min(.milliseconds(500), foreign / 10))
            guard let again = try store.findLease(key, taking) else { return (nil, true) }
            if again.tag != first.tag { throw locked(again.record) }
        }
        return (first, true)
    }

    func locked(_ record: LeaseRecord) -> StoreError {
        StoreError(
            .locked, operation: taking,
            cause: "in use by `\(record.name)`, which renews its lease")
    }

    /// Waits, as long as the lease is ours meanwhile.
    private func waitOut(_ span: Duration) throws(StoreError) {
        let end = store.time.now() + span
        while store.time.now() < end {
            try bucket.gate.check(taking)
            store.time.sleep(for: min(.milliseconds(200), end - store.time.now()))
        }
    }

    /// What waits in the cache is of the store only if nobody had it since.
    private func settleCache(
        _ cache: String, _ found: S3Store.FoundLease?,
        below: [ObjectName: S3Store.FoundLease], isOurs: Bool
    ) throws(StoreError) {
        if let folder {
            if !isOurs { try store.uploads.forgetWaiting(below: folder) }
        } else {
            for folder in store.uploads.foldersThatWait() {
                let lease = folder.flatMap { below[$0] }
                let isOurs = try store.cache.hadLast(folder, lease, below: found, cache)
                if !isOurs { try store.uploads.forgetWaiting(below: folder) }
            }
        }
        try store.cache.note(epoch, of: folder)
    }

    /// Acts under the lease from here on. What an earlier holder may have had on its way does not
    /// count any more.
    private func begin(
        _ past: Past, _ below: [ObjectName: S3Store.FoundLease]
    ) throws(StoreError) {
        bucket.epoch.store(epoch, ordering: .releasing)
        bucket.floor.store(past.floor, ordering: .releasing)
        store.forgetKnown(below: folder)
        store.present.forget(below: folder)
        if folder == nil {
            store.holdings.share(false)
            for (folder, lease) in below where lease.record.floor > past.floor {
                store.holdings.take(folder, bucket.above(lease.record.floor))
            }
        }
        if !past.isClean {
            try store.takeOver(folder, of: bucket)
            if folder == nil { store.holdings.share(false) }
            let epoch = epoch
            change { $0.floor = epoch }
            try renew()
            bucket.floor.store(epoch, ordering: .releasing)
            giveBack(below)
        }
        if let folder {
            store.holdings.take(folder, bucket)
            do {
                try store.uploads.readmit(below: folder)
            } catch {
                store.holdings.giveBack(folder)
                throw error
            }
        }
        store.held.withLock { $0[key] = self }
        try store.uploads.start()
    }
}
