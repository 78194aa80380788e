import ChunkStore

// Having a store as a whole, for who takes it and for who wants a part of it.
//
// Whoever takes the whole puts its lease as pending, without an epoch of its own, until it has seen
// that nobody has a folder; only then it draws its epoch and acts. So a pending lease whose holder
// is gone is taken off by anybody: nothing happened under it.
extension S3Lease {
    /// Sees to it that nobody has the store as a whole, and that what somebody left who had it is
    /// in order. Throws `.locked` if its holder may still be there and is not to be fenced.
    ///
    /// Precondition: this is a lease of the whole store, which was not taken.
    func settle(fencing: Bool) throws(StoreError) {
        let cache = try store.cache.identity(drawing: store.random)
        while let found = try store.findLease(key, taking), found.record.holder != nil {
            guard found.record.isPending else {
                try take(fencing: fencing)
                release()
                return
            }
            try endPending(for: cache, fencing: fencing)
        }
    }

    /// The store's lease, if anybody ever took it. Throws `.locked` if somebody has it.
    func leaseOfNobody(for cache: String) throws(StoreError) -> S3Store.FoundLease? {
        while true {
            let found = try store.findLease(Bucket.lease, taking)
            guard let found, found.record.holder != nil else { return found }
            guard found.record.isPending else { throw locked(found.record) }
            try endPending(for: cache, fencing: false)
        }
    }

    /// Takes a pending lease of the whole store off, if its holder is gone or is to be fenced.
    /// Throws `.locked` else.
    private func endPending(for cache: String, fencing: Bool) throws(StoreError) {
        let (found, _) = try free(Bucket.lease, for: cache, fencing: fencing)
        guard let found, found.record.holder != nil, found.record.isPending else { return }
        var record = found.record
        (record.holder, record.isPending) = (nil, false)
        do {
            _ = try bucket.put(Bucket.lease, record.encoded(), if: .tag(found.tag), taking)
        } catch {
            // It has changed, and is looked at anew.
            guard error.code == .conflict else { throw error }
        }
    }

    /// The leases of all folders, which nobody else holds any more when this returns, or in `wait`.
    /// This one's epoch is above theirs then, and it is pending no more.
    func takeFolders(
        for cache: String, fencing: Bool, _ past: inout Past, _ wait: inout Duration
    ) throws(StoreError) -> [ObjectName: S3Store.FoundLease] {
        var found: [ObjectName: S3Store.FoundLease] = [:]
        for (folder, _) in try store.leasesOfFolders() {
            let (lease, isAlone) = try free(Bucket.lease(of: folder), for: cache, fencing: fencing)
            guard let lease else { continue }
            past.addBelow(lease.record)
            found[folder] = lease
            guard !isAlone else { continue }
            wait = max(wait, Self.patience(for: lease))
            found[folder] = try fence(folder, for: cache)
            past.addBelow(found[folder]?.record)
        }
        let (last, isPending) = (past.epoch, isPending)
        guard isPending || last >= epoch else { return found }
        change {
            $0.epoch = max($0.epoch, last + 1)
            $0.isPending = false
        }
        try renew()
        return found
    }

    /// Takes a folder from whoever has it: nothing of theirs can be put under its lease any more.
    /// It is this cache's, so that it is put in order even if this host gets no further.
    private func fence(
        _ folder: ObjectName, for cache: String
    ) throws(StoreError) -> S3Store.FoundLease? {
        let key = Bucket.lease(of: folder)
        // What waits in the cache is not of the lease that comes.
        try store.cache.prepareTaking(folder, after: 0, hadLast: false)
        while true {
            guard let lease = try store.findLease(key, taking) else { return nil }
            guard lease.record.holder != nil else { return lease }
            let record = newRecord(
                epoch: lease.record.epoch + 1, floor: lease.record.floor, for: cache)
            do {
                let tag = try bucket.put(key, record.encoded(), if: .tag(lease.tag), taking)
                return S3Store.FoundLease(record: record, tag: tag)
            } catch {
                // Its holder renewed it in this moment, or gave it back.
                guard error.code == .conflict else { throw error }
            }
        }
    }

    /// Folders whose holders are gone or were fenced are nobody's, once what those left is in
    /// order. Of one that this does not reach the next taker waits for the term.
    func giveBack(_ folders: [ObjectName: S3Store.FoundLease]) {
        for (folder, lease) in folders where lease.record.holder != nil {
            var record = lease.record
            record.holder = nil
            _ = try? bucket.put(
                Bucket.lease(of: folder), record.encoded(), if: .tag(lease.tag),
                "give \(folder) back")
        }
    }
}
