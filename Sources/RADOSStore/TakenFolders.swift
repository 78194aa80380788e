import ChunkStore
import Scheduling

/// The folders that this process has taken: each is taken once, however often that is asked for,
/// and given back when nobody wants it any more.
final class TakenFolders: @unchecked Sendable {
    // @unchecked: guarded by `monitor`, which is not held while a folder is taken or given back.
    private let monitor = Monitor()
    private var entries: [ObjectName: Entry] = [:]
    /// Of folders that were given back.
    private var past: [ObjectName: TakenPart.Past] = [:]

    private enum Entry {
        /// Somebody takes it, or gives it back.
        case passing
        case taken(TakenPart, users: Int)
    }

    /// What is this process's; nil: it is not.
    subscript(folder: ObjectName) -> TakenPart? {
        monitor.withLock {
            if case .taken(let part, _) = entries[folder] { part } else { nil }
        }
    }

    /// One more user of a folder; `take` takes it if there is none yet. Every success has its
    /// `letGo` of what it returned. `isUnchanged`: nobody else had it since this process had it
    /// last.
    func use(
        _ folder: ObjectName, _ take: () throws(StoreError) -> TakenPart
    ) throws(StoreError) -> (part: TakenPart, isUnchanged: Bool) {
        let present = try monitor.withLock { () throws(StoreError) -> TakenPart? in
            while case .passing = entries[folder] { monitor.wait() }
            guard case .taken(let part, let users) = entries[folder] else {
                entries[folder] = .passing
                return nil
            }
            // Who has it still must let go of it before it can be had anew.
            try part.store.session.checkStanding("take \(folder)")
            entries[folder] = .taken(part, users: users + 1)
            return part
        }
        if let present { return (present, true) }
        do throws(StoreError) {
            let part = try take()
            let before = settle(folder, .taken(part, users: 1))
            return (part, before == part.past)
        } catch {
            settle(folder, nil)
            throw error
        }
    }

    /// One user less; the last one gives it back. Nothing happens if it was given back already.
    func letGo(_ folder: ObjectName, _ used: TakenPart) {
        let last = monitor.withLock { () -> TakenPart? in
            guard case .taken(let part, let users) = entries[folder], part === used else {
                return nil
            }
            entries[folder] = users > 1 ? .taken(part, users: users - 1) : .passing
            return users > 1 ? nil : part
        }
        guard let last else { return }
        if last.release() { monitor.withLock { past[folder] = last.own } }
        settle(folder, nil)
    }

    /// What was known of its past is returned.
    @discardableResult
    private func settle(_ folder: ObjectName, _ entry: Entry?) -> TakenPart.Past? {
        monitor.withLock {
            entries[folder] = entry
            monitor.announce()
            return past[folder]
        }
    }

    /// Gives back what is left.
    func releaseAll() {
        while true {
            let next = monitor.withLock { () -> (ObjectName, TakenPart)? in
                for (folder, entry) in entries {
                    guard case .taken(let part, _) = entry else { continue }
                    entries[folder] = .taken(part, users: 1)
                    return (folder, part)
                }
                return nil
            }
            guard let next else { return }
            letGo(next.0, next.1)
        }
    }
}
