import ChunkStore
import Scheduling
import Synchronization

// A store that several hosts have at a time: each folder `lineages/…` has a lease of its own.
extension S3Store: SharedStore {
    public func join(holder: String) throws(StoreError) -> any StoreLock {
        let cacheLock = try cache.files.lockExclusively(holder: holder)
        do {
            _ = try cache.identity(drawing: random)
            let lease = S3Lease(self, of: nil, bucket, name: holder)
            try lease.settle(fencing: options.isFencing)
            bucket.gate.hold(until: nil)
            holdings.share(true)
            try uploads.readmit(below: nil)
            try uploads.start()
            let settling = try settleWaiting(holder: holder)
            return S3Membership(self, cacheLock: cacheLock, settling: settling)
        } catch {
            cacheLock.release()
            throw error
        }
    }

    public func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder {
        try taken.use(folder) { () throws(StoreError) in
            while true {
                let gate = LeaseGate(threads: threads, time: time, patience: options.patience)
                let lease = S3Lease(self, of: folder, bucket.behind(gate), name: holder)
                if try lease.take(fencing: isFencing) { return lease }
            }
        }
    }

    /// A lease that is as it was is not read again: each request costs.
    public func holders() throws(StoreError) -> [ObjectName: String] {
        let before = seen.withLock { $0 }
        var now: [ObjectName: FoundLease] = [:]
        for (folder, tag) in try leasesOfFolders() where !isHeld(folder) {
            if let known = before[folder], known.tag == tag {
                now[folder] = known
            } else {
                now[folder] = try findLease(Bucket.lease(of: folder), "look at a lease")
            }
        }
        seen.withLock { [now] in $0 = now }
        return now.compactMapValues { $0.record.holder == nil ? nil : $0.record.name }
    }

    public func versions(
        below folder: ObjectName
    ) throws(StoreError) -> [ObjectName: ObjectVersion] {
        let top = "objects/"
        var versions: [ObjectName: ObjectVersion] = [:]
        for object in try bucket.objects.list("\(top)\(folder)/", isDeep: true).objects
        where object.size > ObjectEnvelope.removedSize {
            guard let name = ObjectName(String(object.key.text.dropFirst(top.utf8.count)))
            else { continue }
            var tag = object.tag
            if tag == nil { tag = try bucket.find(object.key, limit: Self.longest, "look")?.tag }
            if let tag { versions[name] = ObjectVersion(Array(tag.text.utf8)) }
        }
        return versions
    }

    /// What an earlier process of this host wrote and did not upload is uploaded now, if nobody has
    /// had its folder since; its own thread sees to that.
    private func settleWaiting(holder: String) throws(StoreError) -> (any RunningThread)? {
        let folders = uploads.foldersThatWait().compactMap(\.self)
        guard !folders.isEmpty else { return nil }
        do {
            return try threads.start(name: "settle") { [self] in
                for folder in folders {
                    // Who has it now is told of what this host had when it takes it back.
                    let taken = try? takeFolder(folder, holder: holder, isFencing: false)
                    taken?.lock.release()
                }
            }
        } catch {
            throw StoreError(.io, operation: "join the store", cause: "\(error)")
        }
    }

    // MARK: What lies in no folder

    /// Puts are made under the epoch of whoever had the store as a whole last, so that they count.
    /// True if that is another than it was. Throws `.locked` while somebody has it so.
    @discardableResult
    func followLease(_ operation: String) throws(StoreError) -> Bool {
        guard let record = try findLease(Bucket.lease, operation)?.record else { return false }
        guard record.holder == nil || record.isPending else {
            throw StoreError(
                .locked, operation: operation,
                cause: "the store is in use as a whole by `\(record.name)`")
        }
        let before = bucket.epoch.exchange(record.epoch, ordering: .acquiringAndReleasing)
        bucket.floor.store(record.floor, ordering: .releasing)
        if before != record.epoch { forgetKnown(below: nil) }
        return before != record.epoch
    }

    // MARK: Leases

    struct FoundLease {
        var record: LeaseRecord
        var tag: ObjectTag
    }

    /// nil: nobody ever took it.
    func findLease(_ key: ObjectKey, _ operation: String) throws(StoreError) -> FoundLease? {
        guard let found = try bucket.find(key, limit: 4096, operation) else { return nil }
        guard let record = LeaseRecord(decoding: found.content) else {
            throw StoreError(
                .foreign, operation: operation,
                cause: "the bucket's object `\(key)` is none that this program made")
        }
        return FoundLease(record: record, tag: found.tag)
    }

    /// Every folder that anybody ever took, with its lease's tag if the server tells.
    func leasesOfFolders() throws(StoreError) -> [(folder: ObjectName, tag: ObjectTag?)] {
        let found = try bucket.objects.list(Bucket.folderLeases, isDeep: true).objects
        return found.compactMap { object in
            let name = ObjectName(
                String(object.key.text.dropFirst(Bucket.folderLeases.utf8.count)))
            guard let name, Holdings.folder(of: name) == name else { return nil }
            return (name, object.tag)
        }
    }
}

/// What a process has in hands that has joined a store.
private final class S3Membership: StoreLock {
    private let store: S3Store
    private let cacheLock: any StoreLock
    private let settling: (any RunningThread)?
    private let isOver = Atomic(false)

    init(_ store: S3Store, cacheLock: any StoreLock, settling: (any RunningThread)?) {
        self.store = store
        self.cacheLock = cacheLock
        self.settling = settling
    }

    deinit { release() }

    func release() {
        if isOver.exchange(true, ordering: .acquiringAndReleasing) { return }
        settling?.join()
        store.taken.releaseAll()
        // What is left to upload waits in the cache.
        try? store.close()
        cacheLock.release()
    }
}
