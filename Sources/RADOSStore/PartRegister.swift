import ChunkStore
import Glibc

/// The parts of a store that anybody ever took, in keys of the whole's lock: for whoever takes the
/// whole, and for who asks who has what.
///
/// Invariant: whoever took a part's lock is noted here before it looks whether somebody has the
/// whole, and changes nothing before that. The value is the record of the holder while one has it,
/// which is a hint; what holds stands in the part's lock.
struct PartRegister {
    struct Entry {
        let scope: Scope
        let holder: HolderRecord?
        fileprivate let encoded: [UInt8]
    }

    private static let part = "part:"
    /// What is set is never empty.
    private static let nobody = [UInt8(ascii: "-")]

    let session: Session

    func note(_ record: HolderRecord, of scope: Scope, _ operation: String) throws(StoreError) {
        guard let part = scope.part else { return }
        let change = WriteOperation(session)
        change.createIfMissing()
        change.set(Self.part + part, record.encoded)
        try check(try change.run(on: Scope.whole.lock, operation), operation)
    }

    /// Once a part was given back; another's record stays. What fails leaves a hint that is wrong.
    func clear(_ record: HolderRecord, of scope: Scope) {
        guard let part = scope.part else { return }
        let change = WriteOperation(session)
        change.require(Self.part + part, record.encoded)
        change.set(Self.part + part, Self.nobody)
        _ = change.runAnyway(on: Scope.whole.lock)
    }

    func all(_ operation: String) throws(StoreError) -> [Entry] {
        let values = KeyedValues(session: session, object: Scope.whole.lock)
        return try (values.all(prefix: Self.part, operation) ?? []).compactMap { part, value in
            Scope(part: part).map {
                Entry(scope: $0, holder: HolderRecord(value), encoded: value)
            }
        }
    }

    /// Forgets a part that is gone. Whoever takes it at this moment finds that the whole is locked,
    /// or has noted itself since the entry was found, and then it stays. Precondition: the whole is
    /// locked.
    func remove(_ entry: Entry, _ operation: String) throws(StoreError) {
        guard let part = entry.scope.part else { return }
        for object in [entry.scope.lock, entry.scope.journal] {
            let removal = WriteOperation(session)
            removal.require(Lease.holder, [])
            removal.removeObject()
            let code = try removal.run(on: object, operation)
            if code == -ECANCELED { return }
            if code != -ENOENT { try check(code, operation) }
        }
        let change = WriteOperation(session)
        change.require(Self.part + part, entry.encoded)
        change.remove(Self.part + part)
        let code = try change.run(on: Scope.whole.lock, operation)
        if code != -ECANCELED { try check(code, operation) }
    }
}
