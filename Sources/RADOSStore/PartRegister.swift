import ChunkStore
import Glibc

/// The parts of a store that anybody ever took, in keys of the whole's lock: for whoever takes the
/// whole, and for who asks who has what.
///
/// Invariant: a part is here before its lock is taken for the first time. Its value is the record of
/// the holder while one has it, which is a hint; what holds stands in the part's lock.
struct PartRegister {
    private static let part = "part:"
    /// What is set is never empty.
    private static let nobody = [UInt8(ascii: "-")]

    let session: Session

    /// Before the lock of a part is taken.
    func enter(_ scope: Scope, _ operation: String) throws(StoreError) {
        guard let part = scope.part else { return }
        let change = WriteOperation(session)
        change.createIfMissing()
        change.require(Self.part + part, [])
        change.set(Self.part + part, Self.nobody)
        let code = try change.run(on: Scope.whole.lock, operation)
        // It is here already.
        if code != -ECANCELED { try check(code, operation) }
    }

    func note(_ record: HolderRecord, of scope: Scope, _ operation: String) throws(StoreError) {
        guard let part = scope.part else { return }
        let change = WriteOperation(session)
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

    /// What was noted of a part that is gone. Precondition: the whole is locked, so whoever takes it
    /// at this moment gives it back.
    func remove(_ scope: Scope, _ operation: String) throws(StoreError) {
        guard let part = scope.part else { return }
        let ofLock = WriteOperation(session)
        ofLock.require(Lease.holder, [])
        ofLock.removeObject()
        let code = try ofLock.run(on: scope.lock, operation)
        // Somebody takes it at this moment.
        if code == -ECANCELED { return }
        if code != -ENOENT { try check(code, operation) }
        let ofJournal = WriteOperation(session)
        ofJournal.removeObject()
        let journalCode = try ofJournal.run(on: scope.journal, operation)
        if journalCode != -ENOENT { try check(journalCode, operation) }
        let change = WriteOperation(session)
        change.remove(Self.part + part)
        try check(try change.run(on: Scope.whole.lock, operation), operation)
    }

    /// Every part, with who has it, as far as that was noted.
    func all(_ operation: String) throws(StoreError) -> [(scope: Scope, holder: HolderRecord?)] {
        let values = KeyedValues(session: session, object: Scope.whole.lock)
        return try (values.all(prefix: Self.part, operation) ?? []).compactMap { part, value in
            Scope(part: part).map { ($0, HolderRecord(value)) }
        }
    }
}
