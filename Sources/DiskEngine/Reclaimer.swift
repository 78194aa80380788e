import DiskFormat

/// The thread that gives dead chunks back. It is asked whenever something died: a snapshot or disk
/// deleted, a disk rolled back, or a quarter as much written as the lineage holds.
final class Reclaimer: @unchecked Sendable {
    // @unchecked: everything that changes is accessed under `monitor`.
    private let monitor: Monitor
    private let threads: any Threads
    private var wanted: Set<LineageID> = []
    private var written: [LineageID: UInt64] = [:]
    private var isStopping = false
    private var isWorking = false
    private var thread: (any RunningThread)?
    private(set) var reclaimed: UInt64 = 0
    private(set) var failure: String?

    init(threads: any Threads) {
        self.threads = threads
        monitor = threads.makeMonitor()
    }

    func start(for store: Store) {
        thread = threads.start(name: "reclaim") { [weak store, self] in run { store } }
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

    /// Returns when nothing is asked for any more. For tests and orderly measurements.
    func waitUntilIdle() {
        monitor.withLock {
            while isWorking || !wanted.isEmpty { monitor.wait() }
        }
    }

    var figures: (reclaimed: UInt64, failure: String?) {
        monitor.withLock { (reclaimed, failure) }
    }

    private func run(_ store: () -> Store?) {
        monitor.lock()
        defer { monitor.unlock() }
        while !isStopping {
            guard let lineage = wanted.popFirst() else {
                isWorking = false
                monitor.announce()
                monitor.wait()
                continue
            }
            isWorking = true
            let result = monitor.withoutLock { () -> Result<Int, any Error> in
                guard let store = store() else { return .success(0) }
                return Result { try store.reclaim(lineage) }
            }
            switch result {
            case .success(let count):
                reclaimed += UInt64(count)
                failure = nil
            case .failure(let error):
                // Space stays taken, nothing else: the next request tries again.
                failure = "\(DiskError.wrap(error, while: "reclaiming lineage \(lineage)"))"
            }
        }
    }
}
