import CRados
import ChunkStore
import Glibc

/// The taking of a store, or of a part of it, and its giving back.
///
/// In the object `lock` (of a part `lock/PART`) lie the cluster's lock with the end of its lease,
/// the record of the holder, the mark of whoever had it last, and a key for each client that may
/// still write though it has it no more. Taking the lock, leaving one's record and noting the
/// client of the record that was there is one change, so a client that was not refused yet is never
/// forgotten, wherever its successors end.
struct Lease {
    static let holder = "holder"
    private static let expelled = "expelled:"
    private static let last = "last"
    /// Longer than any request can be under way, or any paused host is woken up again.
    private static let expulsion: UInt32 = 90 * 24 * 3600

    let session: Session
    let timing: LeaseTiming
    /// As its lock's object says it, and who has the same had it since (`last`).
    let cookie: String
    /// The cookie of whoever had it before; empty: nobody ever, or it is not known.
    private(set) var before: [UInt8] = []
    let record: HolderRecord

    private var object: String { session.scope.lock }

    /// Takes what the session is of. With `fencing` also from a holder who lives; one whose process
    /// ended on this host is not waited for.
    static func take(
        _ session: Session, _ timing: LeaseTiming, holder: String, fencing: Bool
    ) throws(StoreError) -> Lease {
        let operation = session.taking
        let cookie = Entry.newID()
        var lease = Lease(
            session: session, timing: timing, cookie: cookie,
            record: HolderRecord(
                cookie: cookie, client: "client.\(session.rados.get_instance_id(session.cluster))",
                address: try address(of: session, operation), holder: holder))
        while true {
            let (found, before) = try find(session.scope, by: session, operation)
            lease.before = before
            let sent = now()
            switch try lease.tryTaking(after: found, last: before, operation) {
            case -ECANCELED: continue  // Somebody came or went since it was looked at.
            case -EBUSY:
                guard let found, fencing || found.hasEnded else {
                    throw lease.locked(found, operation)
                }
                try lease.expel([found.address], operation)
                let code = session.rados.break_lock(
                    session.pool, lease.object, LockClass.name, found.client, found.cookie)
                if code != -ENOENT { try check(code, operation) }
            case let code:
                try check(code, operation)
                session.setDeadline(lease.deadline(sent))
                do throws(StoreError) {
                    try lease.expelAll(operation)
                } catch {
                    lease.release()
                    throw error
                }
                return lease
            }
        }
    }

    /// Until when the holder believes in a lease that it asked for at a moment.
    func deadline(_ sent: UInt64) -> UInt64 {
        sent + timing.length.nanoseconds - timing.margin.nanoseconds
    }

    /// Librados' code: -ENOENT says that it is not ours any more.
    func renew() -> Int32 {
        let length = timing.length.nanoseconds
        var duration = timeval(
            tv_sec: Int(length / 1_000_000_000), tv_usec: Int(length % 1_000_000_000 / 1000))
        return session.rados.lock_exclusive(
            session.pool, object, LockClass.name, cookie, record.holder, &duration,
            UInt8(LIBRADOS_LOCK_FLAG_MUST_RENEW))
    }

    /// Gives it back. The record stays if requests of ours may still be under way: our successor
    /// then has the cluster refuse them. What fails leaves the lease to its end. True if it was
    /// given back, and nothing of ours is under way.
    @discardableResult
    func release() -> Bool {
        let release = WriteOperation(session)
        release.execute("lock", "unlock", LockClass.release(cookie))
        let isInOrder = !session.isOver
        if isInOrder {
            release.require(Self.holder, record.encoded)
            release.remove(Self.holder)
        }
        let code = release.runAnyway(on: object)
        session.setDeadline(nil)
        return isInOrder && code >= 0
    }

    private func locked(_ found: HolderRecord?, _ operation: String) -> StoreError {
        let holder = found?.description ?? "in use by somebody who left no name"
        let seconds = timing.length.nanoseconds / 1_000_000_000
        return StoreError(
            .locked, operation: operation,
            cause: "\(holder); it is free \(seconds) s after that process has ended")
    }

    /// Who has a store or a part, or had it and did not give it back; and the cookie of who had it
    /// last.
    static func find(
        _ scope: Scope, by session: Session, _ operation: String
    ) throws(StoreError) -> (holder: HolderRecord?, last: [UInt8]) {
        let values = KeyedValues(session: session, object: scope.lock)
        let found = try values.values(of: [Self.holder, Self.last], operation) ?? [:]
        let last = found[Self.last] ?? []
        guard let holder = found[Self.holder] else { return (nil, last) }
        guard let record = HolderRecord(holder) else {
            throw StoreError(
                .foreign, operation: operation, cause: "what stands beside the lock is not ours")
        }
        return (record, last)
    }

    /// Whether there is something left of an earlier holder, which the next one puts in order.
    static func isUnsettled(
        _ scope: Scope, by session: Session, _ operation: String
    ) throws(StoreError) -> Bool {
        if try find(scope, by: session, operation).holder != nil { return true }
        let values = KeyedValues(session: session, object: scope.lock)
        return try values.all(prefix: Self.expelled, operation)?.isEmpty == false
    }

    /// Whether the lease of a record lives.
    static func isHeld(
        _ scope: Scope, by record: HolderRecord, _ session: Session, _ operation: String
    ) throws(StoreError) -> Bool {
        try LockClass.cookies(of: scope.lock, session, operation).contains(record.cookie)
    }

    /// Librados' code: -ECANCELED says that it is not as it was found, by its holder or by who had
    /// it `last`.
    func tryTaking(
        after found: HolderRecord?, last: [UInt8], _ operation: String
    ) throws(StoreError) -> Int32 {
        let change = WriteOperation(session)
        change.createIfMissing()
        change.require(Self.holder, found?.encoded ?? [])
        // Or somebody has had it since, and `before` would not tell.
        change.require(Self.last, last)
        change.execute(
            "lock", "lock",
            LockClass.take(cookie, length: timing.length, description: record.holder))
        change.set(Self.holder, record.encoded)
        change.set(Self.last, Array(cookie.utf8))
        if let found, !found.address.isEmpty {
            change.set(Self.expelled + found.address, [1])
        }
        return try change.run(on: object, operation)
    }

    /// Has the cluster refuse whoever had it before us and did not give it back.
    private func expelAll(_ operation: String) throws(StoreError) {
        let values = KeyedValues(session: session, object: object)
        let addresses = try (values.all(prefix: Self.expelled, operation) ?? []).map(\.0)
        guard !addresses.isEmpty else { return }
        try expel(addresses.filter { $0 != record.address }, operation)
        let change = WriteOperation(session)
        for address in addresses { change.remove(Self.expelled + address) }
        try check(try change.run(on: object, operation), operation)
    }

    /// From the moment this returns, no host of the cluster that we ask anything takes a change
    /// from these clients: our questions bring it the map that says so, if it has an older one.
    private func expel(_ addresses: [String], _ operation: String) throws(StoreError) {
        for address in addresses {
            var text = Array(address.utf8CString)
            let code = session.rados.blocklist_add(session.cluster, &text, Self.expulsion)
            guard code >= 0 else {
                let error = StoreError(rados: code, operation)
                throw StoreError(
                    error.code, operation: operation,
                    cause: "the cluster was asked to refuse the former holder, \(address):"
                        + " \(error.cause). The user needs `mon 'profile rbd'`")
            }
        }
        try check(session.rados.wait_for_latest_osdmap(session.cluster), operation)
    }

    private static func address(
        of session: Session, _ operation: String
    ) throws(StoreError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        try check(session.rados.getaddrs(session.cluster, &text), operation)
        guard let text else { throw StoreError(rados: -EIO, operation) }
        defer { session.rados.buffer_free(text) }
        return String(cString: text)
    }
}
