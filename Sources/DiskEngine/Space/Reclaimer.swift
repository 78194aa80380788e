import DiskFormat
import Scheduling

/// The thread that gives space back. It is asked whenever something died: a snapshot or disk
/// deleted, a disk rolled back, enough overwritten or discarded, many sessions begun; and by who
/// finds no space left.
final class Reclaimer: @unchecked Sendable {
    // @unchecked: everything that changes is accessed under `monitor`.
    private let monitor: Monitor
    private let threads: any Threads
    /// What is asked for, and whether the maps are to be walked for it: a root was given up.
    private var wanted: [LineageID: Bool] = [:]
    /// Lineages that are marked deleted and are to be removed, and how often that failed.
    private var removals: [LineageID] = []
    private var failedRemovals: [LineageID: Int] = [:]
    private var isRemoving = false
    /// Asked for while the key was away; asked for again when a disk of the lineage is attached.
    private var deferred: Set<LineageID> = []
    /// Calls for room, and how many of them a round that began later has answered.
    private var calls = 0
    private var answered = 0
    /// Whether the last such round found any; if it did not, how much was known to be dead then and
    /// could not be given back.
    private var didFindRoom = false
    private var exhaustedAt: Int?
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
    private var done = Reclaimed()
    /// Passes that came to an end, those that failed, and nanoseconds that all took together.
    private var passes = ReclamationPasses()
    private var failure: String?

    init(threads: any Threads) {
        self.threads = threads
        monitor = threads.makeMonitor()
    }

    /// Throws `.hostLimit` if there can be no more threads.
    func start(for store: Store) throws(DiskError) {
        do {
            thread = try threads.start(name: "reclaim") { [weak store, self] in run { store } }
        } catch {
            throw DiskError(.hostLimit, "\(error)", cause: error)
        }
    }

    /// Ends the thread after the lineage it is working on, and what is to be removed.
    func stop() {
        monitor.withLock {
            isStopping = true
            monitor.announce()
        }
        thread?.join()
        thread = nil
    }

    /// Asks for a pass; `walking` if what died cannot be told by the attached disks.
    func request(_ lineage: LineageID, walking: Bool = true) {
        monitor.withLock {
            wanted[lineage] = wanted[lineage] ?? false || walking
            exhaustedAt = nil
            monitor.announce()
        }
    }

    /// Removes what is left of a lineage that is marked deleted: thousands of chunks, perhaps, for
    /// which nobody waits. What fails is tried again, at the latest by the next opening.
    func remove(_ lineage: LineageID) {
        monitor.withLock {
            removals.append(lineage)
            exhaustedAt = nil
            monitor.announce()
        }
    }

    /// Returns when nothing is left to be removed, or could not be. Called without any lock of the
    /// engine.
    func awaitRemovals() {
        monitor.withLock { while isRemoving || !removals.isEmpty { monitor.wait() } }
    }

    /// Until `resume`, with what was asked for: the lineage's key is about to leave memory, or not
    /// in it. Whether anything was asked for.
    @discardableResult
    func postpone(_ lineage: LineageID) -> Bool {
        monitor.withLock {
            deferred.insert(lineage)
            return wanted.removeValue(forKey: lineage) != nil
        }
    }

    /// The lineage's key is in memory again.
    func resume(_ lineage: LineageID) {
        if monitor.withLock({ deferred.remove(lineage) != nil }) { request(lineage) }
    }

    /// There is no space. Waits for a round over all lineages that gives back everything dead;
    /// whether it found any. Called without any lock of the engine. Does not wait while passes over
    /// the caller's lineage are held off: who does that may be waiting for the caller. Nor after a
    /// round that found nothing, unless more is dead by now: `dead` blocks, as far as is known.
    func findRoom(for lineage: LineageID, dead: Int) -> Bool {
        monitor.withLock {
            if dead <= exhaustedAt ?? -1 || isStopping { return false }
            calls += 1
            let call = calls
            monitor.announce()
            while answered < call, !isStopping, suspended[lineage] == nil { monitor.wait() }
            return answered >= call && didFindRoom
        }
    }

    /// Keeps off a lineage for the time of `body`, leaving it first if at work on it: its key must
    /// not stay in memory for reclamation's sake.
    func withSuspended<R>(_ lineage: LineageID, _ body: () throws -> R) rethrows -> R {
        monitor.withLock {
            suspended[lineage, default: 0] += 1
            monitor.announce()
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

    /// A disk of a lineage was attached that keeps records of `count` sessions; the next one gets
    /// the number `next`. Records that are still needed cost one pass in as many sessions.
    func note(sessions count: Int, next: UInt64, in lineage: LineageID) {
        let isMany = monitor.withLock {
            let new = next - min(next, examined[lineage, default: 0])
            guard count >= Self.manySessions, new >= Self.manySessions else { return false }
            examined[lineage] = next
            return true
        }
        if isMany { request(lineage) }
    }

    /// Returns when nothing is asked for any more. For tests and orderly measurements.
    func waitUntilIdle() {
        monitor.withLock {
            while current != nil || !wanted.isEmpty || answered < calls || isRemoving
                || !removals.isEmpty
            {
                monitor.wait()
            }
        }
    }

    /// What was given back so far, whether a pass is under way, and why the last one failed.
    var figures: (done: Reclaimed, isRunning: Bool, failure: String?) {
        monitor.withLock { (done, current != nil, failure) }
    }

    var passesDone: ReclamationPasses { monitor.withLock { passes } }

    // MARK: The thread

    private func run(_ store: () -> Store?) {
        monitor.lock()
        defer { monitor.unlock() }
        while !isStopping || !removals.isEmpty {
            if !removals.isEmpty {
                remove(removals.removeFirst(), from: store())
            } else if answered < calls {
                findRoom(store())
            } else if let next = nextWanted {
                if !next.value {
                    awaitLull(before: next.key, of: store())
                    // Something else may have come up that goes first.
                    guard canWait(for: next.key) else { continue }
                }
                wanted[next.key] = nil
                pass(over: next.key, of: store()) { store, lineage in
                    try store.reclaim(lineage, walking: next.value)
                }
                monitor.announce()
            } else {
                monitor.wait()
            }
        }
    }

    /// What was overwritten can be given back a little later: that takes checkpoints, for which a
    /// store may have to upload what it holds back for those who write. Called under the lock,
    /// which is released meanwhile.
    private func awaitLull(before lineage: LineageID, of store: Store?) {
        monitor.withoutLock {
            store?.sealed.awaitLull { monitor.withLock { canWait(for: lineage) } }
        }
    }

    /// Whether a pass over a lineage, for what was overwritten alone, is the next thing to do.
    private func canWait(for lineage: LineageID) -> Bool {
        !isStopping && removals.isEmpty && answered == calls && suspended[lineage] == nil
            && wanted[lineage] == false && nextWanted?.value == false
    }

    /// Somebody gave up what is walked for, and may look for its space.
    private var nextWanted: (key: LineageID, value: Bool)? {
        let ready = wanted.filter { suspended[$0.key] == nil }
        return ready.first { $0.value } ?? ready.first
    }

    /// Called under the lock, which is released for the work.
    private func remove(_ lineage: LineageID, from store: Store?) {
        isRemoving = true
        let result = monitor.withoutLock { Result { try store?.removeMarked(lineage) } }
        isRemoving = false
        if case .failure(let error) = result {
            failedRemovals[lineage, default: 0] += 1
            if failedRemovals[lineage, default: 0] < 3 { removals.append(lineage) }
            failure = "\(DiskError.wrap(error, while: "removing what was deleted"))"
        }
        monitor.announce()
    }

    /// Called under the lock, which is released for the work. Bytes that were given back.
    @discardableResult
    private func pass(
        over lineage: LineageID, of store: Store?,
        _ reclaim: (Store, LineageID) throws -> Reclaimed?
    ) -> UInt64 {
        current = lineage
        isCancelled = false
        let clock = store?.environment.clock
        let start = clock?.elapsed() ?? 0
        let result = monitor.withoutLock { () -> Result<Reclaimed?, any Error> in
            guard let store else { return .success(nil) }
            return Result { try reclaim(store, lineage) }
        }
        current = nil
        passes.nanoseconds += (clock?.elapsed() ?? 0) - start
        switch result {
        case .success(let reclaimed?):
            done.chunks += reclaimed.chunks
            done.bytes += reclaimed.bytes
            passes.done += 1
            failure = nil
            return reclaimed.bytes
        case .success(nil):
            deferred.insert(lineage)
            failure = nil
        case .failure(let error):
            // Space stays taken, nothing else: the next request tries again.
            passes.failed += 1
            failure = "\(DiskError.wrap(error, while: "reclaiming lineage \(lineage)"))"
        }
        return 0
    }

    /// Called under the lock, which is released for the work.
    private func findRoom(_ store: Store?) {
        let call = calls
        var found: UInt64 = 0
        for lineage in store?.lineagesWithSomethingDead ?? [] where suspended[lineage] == nil {
            found += pass(over: lineage, of: store) { store, lineage in
                try store.reclaim(lineage, walking: false, isUrgent: true)
            }
        }
        didFindRoom = found > 0
        let left = monitor.withoutLock { store?.deadBlocks ?? 0 }
        exhaustedAt = found == 0 ? left : nil
        answered = call
        monitor.announce()
    }
}
