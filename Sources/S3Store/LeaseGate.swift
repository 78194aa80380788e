import ChunkStore
import Scheduling
import Synchronization

/// Whether this process still has the store, by its own clock. What is promised to anybody passes
/// here first.
///
/// Invariant: `check` returns only at a moment at which no other host can have taken the lease
/// since it was last renewed; once fenced it never does again.
final class LeaseGate: @unchecked Sendable {
    // @unchecked: guarded by `monitor`, but for the atomics.
    private let monitor: Monitor
    private let time: any StoreTime
    private let patience: Duration
    private var fencedBy: String?
    /// Nanoseconds of the store's clock up to which the lease holds; `.max`: there is none to
    /// hold, and 0 once fenced.
    private let validUntil = Atomic<Int64>(.max)

    init(threads: any Threads, time: any StoreTime, patience: Duration) {
        monitor = threads.makeMonitor()
        self.time = time
        self.patience = patience
    }

    var isFenced: Bool { whyFenced != nil }
    /// Why nothing of this process reaches the store any more.
    var whyFenced: String? { monitor.withLock { fencedBy } }

    func hold(until moment: Duration?) {
        monitor.withLock {
            guard fencedBy == nil else { return }
            validUntil.store(moment?.wholeNanoseconds ?? .max, ordering: .releasing)
        }
    }

    /// For good: another has taken the store.
    func fence(_ by: String) {
        monitor.withLock {
            if fencedBy == nil { fencedBy = by }
            validUntil.store(0, ordering: .releasing)
        }
    }

    /// Returns if the store is this process's at this moment; waits for a renewal that is late.
    func check(_ operation: @autoclosure () -> String) throws(StoreError) {
        if time.now().wholeNanoseconds < validUntil.load(ordering: .acquiring) { return }
        try wait(operation())
    }

    /// By the clock alone: whoever would wake it may have ended.
    private func wait(_ operation: String) throws(StoreError) {
        let start = time.now()
        while true {
            if let by = monitor.withLock({ fencedBy }) {
                throw StoreError(.fenced, operation: operation, cause: by)
            }
            let now = time.now()
            if now.wholeNanoseconds < validUntil.load(ordering: .acquiring) { return }
            if now - start > patience {
                throw StoreError(
                    .busy, operation: operation,
                    cause: "the lease of the store ran out and could not be renewed")
            }
            time.sleep(for: .milliseconds(20))
        }
    }
}

extension Duration {
    /// Of any span that a clock shows.
    var wholeNanoseconds: Int64 {
        components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
    }
}
