import DiskFormat

/// The thread that gives dead chunks back. It is asked whenever something died: a snapshot or disk
/// deleted, a disk rolled back, a quarter as much written as the lineage holds, or many sessions
/// begun.
final class Reclaimer: @unchecked Sendable {
    // @unchecked: everything that changes is accessed under `monitor`.
    private let monitor: Monitor
    private let threads: any Threads
    private var wanted: Set<LineageID> = []
    /// Asked for while the key was away; asked for again when a disk of the lineage is attached.
    private var deferred: Set<LineageID> = []
    private var written: [LineageID: UInt64] = [:]
    /// The number of the next session when a lineage's sessions were last found to be many.
    private var examined: [LineageID: UInt64] = [:]
    /// Every session that wrote leaves a record and a chunk. So many new ones are worth a pass:
    /// attaching and detaching read and write the records of all.
    private static let manySessions = 128
    private var isStopping = false
    /// The lineage being worked on, whether it should be left, and those not to be begun.
    private var current: LineageID?
    private var isCancelled = false
    private var suspended: [LineageID: Int] = [:]
    private var thread: (any RunningThread)?
    private(set) var reclaimed: UInt64 = 0
    private(set) var failure: String?

    init(threads: any Threads) {
        self.threads = threads
        monitor = threads.makeMonitor()
    }

    /// Throws `.hostLimit` if there can be no more threads.
    func start(for store: Store) throws(DiskError) {
        thread = try threads.start(name: "reclaim") { [weak store, self] in run { store } }
    }

    /// Ends the thread after the lineage it is working on.
    func stop() {
        monitor.withLock {
            isStopping = true
            monitor.announce()
        }
        thread?.join()
        thread = nil
    }

    func request(_ lineage: LineageID) {
        monitor.withLock {
            wanted.insert(lineage)
            monitor.announce()
        }
    }

    /// The lineage's key is in memory again.
    func resume(_ lineage: LineageID) {
        monitor.withLock {
            if deferred.remove(lineage) != nil {
                wanted.insert(lineage)
                monitor.announce()
            }
        }
    }

    /// Keeps off a lineage for the time of `body`, leaving it first if at work on it: its key must
    /// not stay in memory for reclamation's sake.
    func withSuspended<R>(_ lineage: LineageID, _ body: () throws -> R) rethrows -> R {
        monitor.withLock {
            suspended[lineage, default: 0] += 1
            if current == lineage { isCancelled = true }
            while current == lineage { monitor.wait() }
        }
        defer {
            monitor.withLock {
                suspended[lineage, default: 0] -= 1
                if suspended[lineage] == 0 { suspended[lineage] = nil }
                monitor.announce()
            }
        }
        return try body()
    }

    /// Whether the work under way should end without a result.
    var shouldLeave: Bool { monitor.withLock { isCancelled || isStopping } }

    /// A checkpoint of a disk with `live` stored blocks became durable, with `count` slots written
    /// since the one before.
    func note(written count: UInt64, live: UInt64, in lineage: LineageID) {
        monitor.withLock {
            written[lineage, default: 0] += count
            if written[lineage, default: 0] >= max(live / 4, 8192) {
                written[lineage] = 0
                wanted.insert(lineage)
                monitor.announce()
            }
        }
    }

    /// A disk of a lineage was attached that keeps records of `count` sessions; the next one gets
    /// the number `next`. Records that are still needed cost one pass in as many sessions.
    func note(sessions count: Int, next: UInt64, in lineage: LineageID) {
        monitor.withLock {
            let new = next - min(next, examined[lineage, default: 0])
            guard count >= Self.manySessions, new >= Self.manySessions else { return }
            examined[lineage] = next
            wanted.insert(lineage)
            monitor.announce()
        }
    }

    /// Returns when nothing is asked for any more. For tests and orderly measurements.
    func waitUntilIdle() {
        monitor.withLock {
            while current != nil || !wanted.isEmpty { monitor.wait() }
        }
    }

    var figures: (reclaimed: UInt64, failure: String?) {
        monitor.withLock { (reclaimed, failure) }
    }

    private func run(_ store: () -> Store?) {
        monitor.lock()
        defer { monitor.unlock() }
        while !isStopping {
            guard let lineage = wanted.first(where: { suspended[$0] == nil }) else {
                monitor.wait()
                continue
            }
            wanted.remove(lineage)
            current = lineage
            isCancelled = false
            let result = monitor.withoutLock { () -> Result<Int?, any Error> in
                guard let store = store() else { return .success(nil) }
                return Result { try store.reclaim(lineage) }
            }
            switch result {
            case .success(let count):
                if let count {
                    reclaimed += UInt64(count)
                } else {
                    deferred.insert(lineage)
                }
                failure = nil
            case .failure(let error):
                // Space stays taken, nothing else: the next request tries again.
                failure = "\(DiskError.wrap(error, while: "reclaiming lineage \(lineage)"))"
            }
            current = nil
            monitor.announce()
        }
    }
}
