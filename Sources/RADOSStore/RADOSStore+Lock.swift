import ChunkStore
import Glibc

extension RADOSStore {
    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try lockExclusively(holder: holder, fencing: isFencing)
    }

    /// Takes the store for this process. A holder who did not give it back and whose lease ran out
    /// is shut out of the cluster first; with `fencing` one whose lease lives, too, be it of a part
    /// of the store. From then on nothing of it reaches the store, and it gets `.fenced`.
    public func lockExclusively(
        holder: String, fencing: Bool
    ) throws(StoreError) -> any StoreLock {
        try checkWritable("lock \(place)")
        let hostLock = try hostStore?.lockExclusively(holder: holder)
        do throws(StoreError) {
            let held = try hold(holder: holder, fencing: fencing) { _ throws(StoreError) in
                try settleParts(holder: holder, fencing: fencing)
            }
            pages?.dropAll()
            return RADOSLock(held, hostLock: hostLock)
        } catch {
            hostLock?.release()
            throw error
        }
    }

    /// Takes the lease of what the session is of, and removes what earlier holders left behind once
    /// `demand` has looked at what must be so.
    func hold(
        holder: String, fencing: Bool, _ demand: (Lease) throws(StoreError) -> Void
    ) throws(StoreError) -> HeldLease {
        let lease = try Lease.take(session, timing, holder: holder, fencing: fencing)
        let held: HeldLease
        do throws(StoreError) {
            held = try HeldLease(lease, session.taking)
        } catch {
            lease.release()
            throw error
        }
        do throws(StoreError) {
            try demand(lease)
            try journal.clean(folders, session.taking)
        } catch {
            held.release()
            throw error
        }
        return held
    }

    /// Puts in order what somebody left of a part, or of the whole, who did not give it back.
    /// Throws `.locked` if somebody has it.
    func settle(_ scope: Scope, holder: String, fencing: Bool) throws(StoreError) {
        let store = RADOSStore(try Session(place, of: scope), timing: timing)
        let held = try store.hold(holder: holder, fencing: fencing) { _ in }
        held.release()
    }

    /// Nobody has a part when this returns; those that are gone are forgotten. Precondition: the
    /// whole is locked.
    private func settleParts(holder: String, fencing: Bool) throws(StoreError) {
        let register = PartRegister(session: session)
        for entry in try register.all(session.taking) {
            let scope = entry.scope
            if try Lease.isUnsettled(scope, by: session, session.taking) {
                try settle(scope, holder: holder, fencing: fencing)
            }
            if case .folder(let folder) = scope, try folders.find(folder, session.taking) == nil {
                try Journal(session, of: scope).clean(folders, session.taking)
                try register.remove(entry, session.taking)
            }
        }
    }

    /// Returns once nobody has the store as a whole: the cookie of who had it last. One who had it
    /// and is gone is put in order; with `fencing` also one who lives. Throws `.locked` if somebody
    /// has it.
    func demandNobodyHasTheWhole(
        holder: String, fencing: Bool = false
    ) throws(StoreError) -> [UInt8] {
        var attempts = 0
        while true {
            let found = try Lease.find(.whole, by: session, session.taking)
            guard found.holder != nil else { return found.last }
            attempts += 1
            do throws(StoreError) {
                try settle(.whole, holder: holder, fencing: fencing)
            } catch {
                // Another host may be settling it at this moment, which takes no longer than that.
                guard error.code == .locked, attempts < 4 else { throw error }
                usleep(100_000)
            }
        }
    }
}

final class RADOSLock: StoreLock {
    private let held: HeldLease
    private let hostLock: (any StoreLock)?

    init(_ held: HeldLease, hostLock: (any StoreLock)?) {
        self.held = held
        self.hostLock = hostLock
    }

    deinit { release() }

    func release() {
        held.release()
        hostLock?.release()
    }
}
