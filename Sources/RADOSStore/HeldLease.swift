import ChunkStore
import Synchronization

/// A lease that is renewed until it is released.
final class HeldLease: Sendable {
    let lease: Lease
    private let keeper: LeaseKeeper
    private let isReleased = Atomic(false)

    init(_ lease: Lease, _ operation: String) throws(StoreError) {
        self.lease = lease
        keeper = try LeaseKeeper(lease, operation)
    }

    deinit { release() }

    /// True if this call gave it back, and nothing of ours is under way.
    @discardableResult
    func release() -> Bool {
        if isReleased.exchange(true, ordering: .acquiringAndReleasing) { return false }
        keeper.stop()
        return lease.release()
    }
}
