import ChunkStore

/// A part of a store that this process has taken: a client of the cluster of its own, so whoever
/// takes it away has this part refused and nothing else.
final class TakenPart: HeldFolder {
    /// The part as who has it works with it; once it was given back every change is `.fenced`.
    let store: RADOSStore
    /// Who had it before this process, and who when it is given back.
    let before: Past
    let now: Past
    private let held: HeldLease
    private let scope: Scope

    /// Who had a part last, and who the store as a whole. Equal ones, found later, say that nobody
    /// else had it meanwhile.
    struct Past: Hashable {
        let part: [UInt8]
        let whole: [UInt8]
    }

    /// Takes it. Throws `.locked` if somebody has it or the store as a whole; with `fencing` it is
    /// taken from who has the part. Who looks for the whole's holder before that does not disturb
    /// who is about to take the whole by a lock that is given back at once.
    init(
        _ scope: Scope, of place: RADOSPlace, timing: LeaseTiming, pages: PageCache?,
        holder: String, fencing: Bool
    ) throws(StoreError) {
        let session = try Session(place, of: scope)
        let store = RADOSStore(session, timing: timing, pages: pages)
        var whole: [UInt8] = []
        held = try store.hold(holder: holder, fencing: fencing) { lease throws(StoreError) in
            let register = PartRegister(session: session)
            try register.note(lease.record, of: scope, session.taking)
            whole = try store.demandNobodyHasTheWhole(holder: holder)
        }
        self.store = store
        self.scope = scope
        before = Past(part: held.lease.before, whole: whole)
        now = Past(part: Array(held.lease.cookie.utf8), whole: whole)
    }

    deinit { giveBack() }

    func checkStanding(_ operation: String) throws(StoreError) {
        try store.session.checkStanding(operation)
    }

    @discardableResult
    func giveBack() -> Bool {
        let isInOrder = held.release()
        if isInOrder { PartRegister(session: store.session).clear(held.lease.record, of: scope) }
        store.session.end("this host has given back \(scope)")
        return isInOrder
    }
}
