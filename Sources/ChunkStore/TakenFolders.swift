import Scheduling

/// A folder as this process has it: under a lease of its own.
public protocol HeldFolder: AnyObject, Sendable {
    /// What tells one holder from all others that ever were.
    associatedtype Holders: Hashable, Sendable
    /// Who had the folder before, and who has it now: of who takes it next they are `before`, if
    /// nobody else had it meanwhile.
    var before: Holders { get }
    var now: Holders { get }

    /// Throws `.fenced` if it is had no more.
    func checkStanding(_ operation: String) throws(StoreError)
    /// True if it was given back in order.
    func giveBack() -> Bool
}

/// The folders that this process has taken: each is taken once, however often that is asked for,
/// and given back when nobody wants it any more.
public final class TakenFolders<Held: HeldFolder>: @unchecked Sendable {
    // @unchecked: guarded by `monitor`, which is not held while a folder is taken or given back.
    private let monitor: Monitor
    private var entries: [ObjectName: Entry] = [:]
    /// Of folders that were given back.
    private var past: [ObjectName: Held.Holders] = [:]

    private enum Entry {
        /// Somebody takes it, or gives it back.
        case passing
        case taken(Held, users: Int)
    }

    public init(_ monitor: Monitor) { self.monitor = monitor }

    /// What is this process's; nil: it is not.
    public subscript(folder: ObjectName) -> Held? {
        monitor.withLock {
            if case .taken(let held, _) = entries[folder] { held } else { nil }
        }
    }

    /// One more user of a folder; `take` takes it if there is none yet. Its lock is released by
    /// itself when nobody refers to it any more.
    public func use(
        _ folder: ObjectName, _ take: () throws(StoreError) -> Held
    ) throws(StoreError) -> TakenFolder {
        let present = try monitor.withLock { () throws(StoreError) -> Held? in
            while case .passing = entries[folder] { monitor.wait() }
            guard case .taken(let held, let users) = entries[folder] else {
                entries[folder] = .passing
                return nil
            }
            // Who has it still must let go of it before it can be had anew.
            try held.checkStanding("take \(folder)")
            entries[folder] = .taken(held, users: users + 1)
            return held
        }
        if let present { return taken(folder, present, isUnchanged: true) }
        do throws(StoreError) {
            let held = try take()
            let last = settle(folder, .taken(held, users: 1))
            return taken(folder, held, isUnchanged: last == held.before)
        } catch {
            settle(folder, nil)
            throw error
        }
    }

    private func taken(_ folder: ObjectName, _ held: Held, isUnchanged: Bool) -> TakenFolder {
        let lock = ReleasedOnce { [self] in letGo(folder, held) }
        return TakenFolder(lock: lock, isUnchanged: isUnchanged)
    }

    /// One user less; the last one gives it back. Nothing happens if it was given back already.
    private func letGo(_ folder: ObjectName, _ used: Held) {
        let last = monitor.withLock { () -> Held? in
            guard case .taken(let held, let users) = entries[folder], held === used else {
                return nil
            }
            entries[folder] = users > 1 ? .taken(held, users: users - 1) : .passing
            return users > 1 ? nil : held
        }
        guard let last else { return }
        let holders = last.now
        if last.giveBack() { monitor.withLock { past[folder] = holders } }
        settle(folder, nil)
    }

    /// What was known of its past is returned.
    @discardableResult
    private func settle(_ folder: ObjectName, _ entry: Entry?) -> Held.Holders? {
        monitor.withLock {
            entries[folder] = entry
            monitor.announce()
            return past[folder]
        }
    }

    /// Gives back what is left.
    public func releaseAll() {
        while true {
            let next = monitor.withLock { () -> (ObjectName, Held)? in
                for (folder, entry) in entries {
                    guard case .taken(let held, _) = entry else { continue }
                    entries[folder] = .taken(held, users: 1)
                    return (folder, held)
                }
                return nil
            }
            guard let next else { return }
            letGo(next.0, next.1)
        }
    }
}
