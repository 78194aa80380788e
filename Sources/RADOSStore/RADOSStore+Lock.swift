import ChunkStore
import Synchronization

extension RADOSStore {
    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try lockExclusively(holder: holder, fencing: isFencing)
    }

    /// Takes the store for this process. A holder who did not give it back and whose lease ran out
    /// is shut out of the cluster first; with `fencing` one whose lease lives, too. From then on
    /// nothing of it reaches the store, and it gets `.fenced`.
    public func lockExclusively(
        holder: String, fencing: Bool
    ) throws(StoreError) -> any StoreLock {
        let operation = "lock \(place)"
        try checkWritable(operation)
        let hostLock = try hostStore?.lockExclusively(holder: holder)
        do throws(StoreError) {
            let lease = try Lease.take(session, timing, holder: holder, fencing: fencing)
            do throws(StoreError) {
                pages?.dropAll()
                try journal.clean(folders, operation)
                let keeper = try LeaseKeeper(lease, operation)
                return RADOSLock(lease, keeper: keeper, hostLock: hostLock)
            } catch {
                lease.release()
                throw error
            }
        } catch {
            hostLock?.release()
            throw error
        }
    }
}

final class RADOSLock: StoreLock {
    private let lease: Lease
    private let keeper: LeaseKeeper
    private let hostLock: (any StoreLock)?
    private let isReleased = Mutex(false)

    init(_ lease: Lease, keeper: LeaseKeeper, hostLock: (any StoreLock)?) {
        self.lease = lease
        self.keeper = keeper
        self.hostLock = hostLock
    }

    deinit { release() }

    func release() {
        let isFirst = isReleased.withLock { released in
            defer { released = true }
            return !released
        }
        guard isFirst else { return }
        keeper.stop()
        lease.release()
        hostLock?.release()
    }
}
