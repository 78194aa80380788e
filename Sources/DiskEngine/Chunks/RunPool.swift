import DiskFormat
import Scheduling

/// Buffers that threads borrow to seal into and to read entries into; kept for reuse, so that the
/// data path allocates nothing once warm.
final class RunPool: @unchecked Sendable {
    // @unchecked: every access to `free` is made under `monitor`.
    private let monitor: Monitor
    private var free: [SealedRun] = []

    init(threads: any Threads) { monitor = threads.makeMonitor() }

    func withRun<R>(_ body: (SealedRun) throws -> R) rethrows -> R {
        let run =
            monitor.withLock { free.popLast() } ?? SealedRun(capacity: Limits.blocksPerRun)
        defer { monitor.withLock { free.append(run) } }
        return try body(run)
    }
}
