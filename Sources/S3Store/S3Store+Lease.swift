import ChunkStore
import Scheduling

// A store that one host has as a whole.
extension S3Store {
    /// Takes the store by its lease, and the cache by its own lock.
    ///
    /// A lease that nobody renews is waited for until it has run out by this host's clock, if the
    /// holder's clock does not say that it was renewed a moment ago. One of this very cache is
    /// taken at once: its process is gone, or it would have the cache.
    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try lockExclusively(holder: holder, fencing: options.isFencing)
    }

    /// With `fencing` the lease is taken from whoever has it; the call returns when the other has
    /// stopped, by the term of its lease, whether or not it has heard of it.
    public func lockExclusively(
        holder: String, fencing: Bool
    ) throws(StoreError) -> any StoreLock {
        let cacheLock = try cache.files.lockExclusively(holder: holder)
        do {
            let lease = S3Lease(self, of: nil, bucket, name: holder)
            try lease.take(fencing: fencing)
            return S3Lock(lease, cacheLock: cacheLock)
        } catch {
            cacheLock.release()
            throw error
        }
    }

    /// Whether this process has the lease that `name` is under.
    func isHeld(_ name: ObjectName) -> Bool {
        let folder = holdings.isShared ? Holdings.folder(of: name) : nil
        return held.withLock { $0[Bucket.lease(of: folder)] != nil }
    }

    /// Asks the bucket who has the lease that `name` is under (nil: the store's), if this process
    /// thinks that it has it.
    func renewLease(for name: ObjectName? = nil) throws(StoreError) {
        let folder = holdings.isShared ? name.flatMap { Holdings.folder(of: $0) } : nil
        try held.withLock { $0[Bucket.lease(of: folder)] }?.renew()
    }
}

/// What the holder of the store has in hands: its end gives the lease back.
private final class S3Lock: StoreLock {
    private let lease: S3Lease
    private let cacheLock: any StoreLock

    init(_ lease: S3Lease, cacheLock: any StoreLock) {
        self.lease = lease
        self.cacheLock = cacheLock
    }

    deinit { release() }

    func release() {
        lease.release()
        cacheLock.release()
    }
}
