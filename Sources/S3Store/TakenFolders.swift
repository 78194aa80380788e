import ChunkStore
import Scheduling

/// The folders that this process has taken: each is taken once, however often that is asked for,
/// and given back when nobody wants it any more.
final class TakenFolders: @unchecked Sendable {
    // @unchecked: guarded by `monitor`.
    private let monitor: Monitor
    private var entries: [ObjectName: Entry] = [:]
    /// The epochs under which this process had folders that it gave back.
    private var past: [ObjectName: UInt64] = [:]

    private enum Entry {
        /// Somebody takes it, or gives it back.
        case passing
        case taken(S3Lease, users: Int)
    }

    init(threads: any Threads) { monitor = threads.makeMonitor() }

    /// One more user of a folder; `take` takes it if there is none yet. Every success has its
    /// `letGo`. True if this call took it.
    func use(
        _ folder: ObjectName, _ take: () throws(StoreError) -> S3Lease
    ) throws(StoreError) -> (lease: S3Lease, isNew: Bool) {
        let present = try monitor.withLock { () throws(StoreError) -> S3Lease? in
            while case .passing = entries[folder] { monitor.wait() }
            guard case .taken(let lease, let users) = entries[folder] else {
                entries[folder] = .passing
                return nil
            }
            // Who has it still must let go of it before it can be had anew.
            try lease.bucket.gate.check("take \(folder)")
            entries[folder] = .taken(lease, users: users + 1)
            return lease
        }
        if let present { return (present, false) }
        do {
            let lease = try take()
            settle(folder, .taken(lease, users: 1))
            return (lease, true)
        } catch {
            settle(folder, nil)
            throw error
        }
    }

    /// One user less; the last one gives it back.
    func letGo(_ folder: ObjectName) {
        let last = monitor.withLock { () -> S3Lease? in
            guard case .taken(let lease, let users) = entries[folder] else { return nil }
            entries[folder] = users > 1 ? .taken(lease, users: users - 1) : .passing
            return users > 1 ? nil : lease
        }
        guard let last else { return }
        let epoch = last.epoch
        if last.release() { monitor.withLock { past[folder] = epoch } }
        settle(folder, nil)
    }

    private func settle(_ folder: ObjectName, _ entry: Entry?) {
        monitor.withLock {
            entries[folder] = entry
            monitor.announce()
        }
    }

    /// The epoch under which this process had it last, if it gave it back.
    func lastEpoch(of folder: ObjectName) -> UInt64? { monitor.withLock { past[folder] } }

    /// Gives back what is left.
    func releaseAll() {
        while true {
            let next = monitor.withLock { () -> ObjectName? in
                for (folder, entry) in entries {
                    guard case .taken(let lease, _) = entry else { continue }
                    entries[folder] = .taken(lease, users: 1)
                    return folder
                }
                return nil
            }
            guard let next else { return }
            letGo(next)
        }
    }
}
