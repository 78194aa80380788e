import ChunkStore

/// The lease of the store ("") or of a folder, as one client has it. Taking it and noting the
/// client whose record was there, and who may still write, is one order; that client is refused
/// before anything is looked at.
struct PoolLease {
    let client: PoolClient
    let scope: String
    let cookie: Int
    /// Of who had it before.
    let before: Int

    /// Throws `.locked` naming who has it, unless it is fenced.
    static func take(
        _ scope: String, by client: PoolClient, _ name: String, isFencing: Bool
    ) throws(StoreError) -> PoolLease {
        let call = "take the lease of `\(scope)`"
        while true {
            let found = try client.read(call) { $0.locks[scope] ?? PoolLock() }
            if let holder = found.holder {
                try breakLease(of: holder, by: client, isFencing: isFencing, call)
            }
            let mine = PoolLock.Holder(client: client, cookie: client.pool.newNumber(), name: name)
            let answer = try client.change(
                call, [taking(scope, after: found, for: mine, flaw: client.pool.flaw)])
            guard answer == .done else { continue }
            let lease = PoolLease(
                client: client, scope: scope, cookie: mine.cookie, before: found.last)
            do throws(StoreError) {
                try lease.refuseOthers(call)
            } catch {
                lease.release()
                throw error
            }
            return lease
        }
    }

    /// What must be so before a lease is taken that has a holder.
    private static func breakLease(
        of holder: PoolLock.Holder, by client: PoolClient, isFencing: Bool, _ call: String
    ) throws(StoreError) {
        let other = holder.client
        if client.pool.flaw == .leasesTwice { return }
        // A process that ended on this host is not waited for.
        let hasEnded = other.process.host === client.process.host && !other.process.isAlive
        guard other.isLeaseAlive else { return }
        guard isFencing || hasEnded else {
            throw StoreError(
                .locked, operation: call, cause: "in use by `\(holder.name)`")
        }
        try client.refuse(other, call)
        other.endLease()
    }

    private static func taking(
        _ scope: String, after found: PoolLock, for mine: PoolLock.Holder,
        flaw: SimulatedPool.Flaw?
    ) -> PoolChange {
        PoolChange("take lease of `\(scope)`", of: "lock/\(scope)") { contents in
            var lock = contents.locks[scope] ?? PoolLock()
            // Nobody came or went since it was looked at.
            guard lock.holder?.cookie == found.holder?.cookie, lock.last == found.last else {
                return .changed
            }
            if let old = lock.holder, flaw != .leasesTwice { lock.expelled.append(old.client) }
            lock.holder = mine
            lock.last = mine.cookie
            contents.locks[scope] = lock
            return .done
        }
    }

    private func refuseOthers(_ call: String) throws(StoreError) {
        let others = try client.read(call) { $0.locks[scope]?.expelled ?? [] }
        for other in others where other !== client { try client.refuse(other, call) }
        guard !others.isEmpty else { return }
        try client.change(
            call,
            [
                PoolChange("forget those refused", of: "lock/\(scope)") { contents in
                    contents.locks[scope]?.expelled.removeAll { other in
                        others.contains { $0 === other }
                    }
                    return .done
                }
            ])
    }

    /// Gives it back: true if that came about, and nothing of the client is on its way. Else the
    /// record stays, so that the client is refused by who comes next.
    @discardableResult
    func release() -> Bool {
        let isInOrder = !client.isOver
        guard client.process.isAlive else { return false }
        guard isInOrder else {
            // The lock goes all the same, if that arrives.
            if client.pool.generator.chance(70) { client.endLease() }
            return false
        }
        let (scope, cookie) = (scope, cookie)
        let release = PoolChange("give back `\(scope)`", of: "lock/\(scope)") { contents in
            guard contents.locks[scope]?.holder?.cookie == cookie else { return .changed }
            contents.locks[scope]?.holder = nil
            return .done
        }
        let answer = try? client.change("give back the lease of `\(scope)`", [release])
        return answer == .done
    }
}

extension PoolLock {
    /// Whether somebody left something, which the next one puts in order.
    var isUnsettled: Bool { holder != nil || !expelled.isEmpty }
}
