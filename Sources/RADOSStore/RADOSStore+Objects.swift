import ChunkStore

/// Small objects. Those up to `Entry.inlineLimit` stand beside their names and are replaced in one
/// order. Larger ones are pieces under a new id each time, and the name changes over to them; the
/// old ones go afterwards.
extension RADOSStore {
    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        let operation = "read \(name)"
        while true {
            guard let found = try folders.find(name, operation) else {
                throw StoreError(.notFound, operation: operation, cause: "no such object")
            }
            guard case .object(let length, _) = found.entry else {
                throw StoreError(.foreign, operation: operation, cause: "it is not an object")
            }
            guard length <= UInt64(max(limit, 0)) else {
                throw StoreError(
                    .tooLarge, operation: operation,
                    cause: "\(length) bytes, more than the \(limit) it may have")
            }
            let version = ObjectVersion(found.encoded)
            guard let placement = found.entry.placement else {
                guard found.bytes.count == Int(length) else {
                    throw StoreError(
                        .foreign, operation: operation,
                        cause: "\(found.bytes.count) bytes stand where \(length) should")
                }
                return VersionedObject(bytes: found.bytes, version: version)
            }
            let pieces = Pieces(session: session, placement)
            let bytes = try pieces.all(operation)
            // Its pieces go once the name stands for another: they were whole if it still does.
            if try folders.find(name, operation)?.encoded == found.encoded {
                return VersionedObject(bytes: bytes, version: version)
            }
        }
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        let operation = "replace \(name)"
        try checkWritable(operation)
        let entry = Entry.object(length: UInt64(bytes.count), id: Entry.newID())
        var new: Pieces?
        if let placement = entry.placement {
            let pieces = Pieces(session: session, placement)
            new = pieces
            try journal.note(pieces, of: name, operation)
            try writeNew(bytes, to: pieces, operation)
        }
        do throws(StoreError) {
            try commit(
                name, entry, new == nil ? bytes : [], if: condition, operation)
        } catch {
            // Where the name did not change over, for certain.
            if let new, [.alreadyExists, .conflict, .foreign].contains(error.code) {
                try? journal.discard(new, operation)
            }
            throw error
        }
        if let new { try journal.strike(new, operation) }
        return ObjectVersion(entry.encoded)
    }

    private func commit(
        _ name: ObjectName, _ entry: Entry, _ inline: [UInt8], if condition: ReplaceCondition,
        _ operation: String
    ) throws(StoreError) {
        while true {
            let old = try folders.find(name, operation)
            try Self.check(condition, old, operation)
            let oldPieces = old?.entry.placement.map { Pieces(session: session, $0) }
            if let oldPieces { try journal.note(oldPieces, of: name, operation) }
            // The condition holds at the moment of the change: the name is what was looked at.
            if try folders.replace(name, old, with: entry, bytes: inline, operation) {
                if let oldPieces { try discard(oldPieces, operation) }
                return
            }
        }
    }

    private static func check(
        _ condition: ReplaceCondition, _ old: Folders.Found?, _ operation: String
    ) throws(StoreError) {
        if condition == .absent, old != nil { throw taken(operation) }
        if old?.entry == .folder {
            throw StoreError(.foreign, operation: operation, cause: "it is a folder")
        }
        if case .version(let version) = condition, old?.encoded != version.token {
            throw StoreError(
                .conflict, operation: operation, cause: "it is not of the version asked for")
        }
    }
}
