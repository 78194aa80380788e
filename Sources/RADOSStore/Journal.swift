import ChunkStore

/// Which pieces may lie in the pool without a name: it says so before the first of them is written
/// and before a name goes, and no more once they have a name or are gone. Whoever takes the store
/// removes what is left, so a crash costs no space for long. Each part of a store that is taken for
/// itself has a journal of its own.
struct Journal {
    let session: Session
    let object: String

    init(_ session: Session, of scope: Scope) {
        self.session = session
        object = scope.journal
    }

    /// Before pieces are written whose name comes after them, or a name is taken from its pieces.
    func note(_ pieces: Pieces, of name: ObjectName, _ operation: String) throws(StoreError) {
        let change = WriteOperation(session)
        change.createIfMissing()
        change.set(pieces.id, Array("\(pieces.placement.text) \(name.path)".utf8))
        try check(try change.run(on: object, operation), operation)
    }

    /// They have their name.
    func strike(_ pieces: Pieces, _ operation: String) throws(StoreError) {
        let change = WriteOperation(session)
        change.remove(pieces.id)
        try check(try change.run(on: object, operation), operation)
    }

    func discard(_ pieces: Pieces, _ operation: String) throws(StoreError) {
        try pieces.remove(operation)
        try strike(pieces, operation)
    }

    /// Precondition: what the journal is of is locked, and nothing of it is open.
    func clean(_ folders: Folders, _ operation: String) throws(StoreError) {
        let values = KeyedValues(session: session, object: object)
        for (id, value) in try values.all(prefix: "", operation) ?? [] {
            let words = String(decoding: value, as: UTF8.self)
                .split(separator: " ", maxSplits: 1)
            // It need not be trusted: what is not of our making stays.
            guard words.count == 2, let placement = Placement(id: id, text: words[0]),
                let name = ObjectName(String(words[1]))
            else { continue }
            let pieces = Pieces(session: session, placement)
            let found: Entry?
            do throws(StoreError) {
                found = try folders.find(name, operation)?.entry
            } catch {
                guard error.code == .foreign || error.code == .notFound else { throw error }
                found = nil
            }
            if found?.placement?.id == id {
                try strike(pieces, operation)
            } else {
                try discard(pieces, operation)
            }
        }
    }
}
