import Synchronization

/// A lock whose release does something, once.
public final class ReleasedOnce: StoreLock {
    private let end: @Sendable () -> Void
    private let isHeld = Atomic(true)

    public init(_ end: @escaping @Sendable () -> Void) { self.end = end }
    deinit { release() }

    public func release() {
        if isHeld.exchange(false, ordering: .acquiringAndReleasing) { end() }
    }
}
