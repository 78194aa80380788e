import CRados
import ChunkStore
import Glibc
import Synchronization

/// The names of a store. Each folder is a RADOS object whose keys are the names in it and whose
/// values say what they are (`Entry`). So a name comes, changes and goes in one order to one
/// object, on the condition that it was what it was; and a list is a list of what there is.
///
/// The pool must be able to keep keys: one of replicas. A pool with erasure codes cannot.
final class Folders: Sendable {
    struct Found {
        let entry: Entry
        let encoded: [UInt8]
        /// Of an object that stands beside its name.
        let bytes: [UInt8]
    }

    private static let entries = "e:"
    private static let contents = "b:"

    private let session: Session
    /// Those whose names are there, and those of the folders above them.
    private let known = Mutex<Set<String>>([])

    init(_ session: Session) { self.session = session }

    static func parts(of name: ObjectName) -> (folder: String, leaf: String) {
        let components = name.components
        return (components.dropLast().joined(separator: "/"), String(components.last ?? ""))
    }

    private static func object(_ folder: String) -> String { "f/\(folder)" }

    private func values(of folder: String) -> KeyedValues {
        KeyedValues(session: session, object: Self.object(folder))
    }

    /// What has the name; nil if nothing does. Throws `.foreign` if a file stands in for a folder.
    func find(_ name: ObjectName, _ operation: String) throws(StoreError) -> Found? {
        let (folder, leaf) = Self.parts(of: name)
        let keys = [Self.entries + leaf, Self.contents + leaf]
        guard let values = try values(of: folder).values(of: keys, operation) else {
            // Is it missing, or is there something else in its place?
            if let above = ObjectName(folder), let found = try find(above, operation),
                found.entry != .folder
            {
                throw StoreError(
                    .foreign, operation: operation, cause: "\(folder) is not a folder")
            }
            return nil
        }
        guard let encoded = values[keys[0]] else { return nil }
        guard let entry = Entry(encoded) else {
            throw StoreError(.foreign, operation: operation, cause: "its entry makes no sense")
        }
        return Found(entry: entry, encoded: encoded, bytes: values[keys[1]] ?? [])
    }

    /// Makes the name stand for `entry`, if what it stood for is still `old`; false if not.
    func replace(
        _ name: ObjectName, _ old: Found?, with entry: Entry, bytes: [UInt8] = [],
        _ operation: String
    ) throws(StoreError) -> Bool {
        let (folder, leaf) = Self.parts(of: name)
        while true {
            try make(folder, operation)
            let change = WriteOperation(session)
            change.require(Self.entries + leaf, old?.encoded ?? [])
            change.set(Self.entries + leaf, entry.encoded)
            if bytes.isEmpty {
                change.remove(Self.contents + leaf)
            } else {
                change.set(Self.contents + leaf, bytes)
            }
            switch try change.run(on: Self.object(folder), operation) {
            case -ENOENT: forget(folder)  // Removed since it was made.
            case -ECANCELED: return false
            case let code:
                try check(code, operation)
                return true
            }
        }
    }

    /// Takes the name away, if what it stands for is still `old`; false if not.
    func remove(
        _ name: ObjectName, _ old: Found, _ operation: String
    ) throws(StoreError) -> Bool {
        let (folder, leaf) = Self.parts(of: name)
        let change = WriteOperation(session)
        change.require(Self.entries + leaf, old.encoded)
        change.remove(Self.entries + leaf)
        change.remove(Self.contents + leaf)
        let code = try change.run(on: Self.object(folder), operation)
        if code == -ECANCELED || code == -ENOENT { return false }
        try check(code, operation)
        return true
    }

    func list(_ folder: ObjectName, _ operation: String) throws(StoreError) -> [(String, Entry)] {
        let all = try list(path: folder.path, operation)
        if all.isEmpty, let found = try find(folder, operation), found.entry != .folder {
            throw StoreError(.foreign, operation: operation, cause: "it is not a folder")
        }
        return all.compactMap { name, entry in
            guard ObjectName(name) != nil, !name.contains("/"), let entry else { return nil }
            return (name, entry)
        }
    }

    /// Whatever stands in a folder, the top one (the empty path) included; nil: it makes no sense.
    func list(
        path: String, _ operation: String
    ) throws(StoreError) -> [(name: String, entry: Entry?)] {
        let all = try values(of: path).all(prefix: Self.entries, operation) ?? []
        return all.map { ($0.0, Entry($0.1)) }
    }

    /// The last step of removing a folder: the object first, then its name above, so that what is
    /// interrupted can be done again.
    func removeEmptied(_ folder: ObjectName, _ operation: String) throws(StoreError) {
        forget(folder.path)
        let change = WriteOperation(session)
        change.removeObject()
        let code = try change.run(on: Self.object(folder.path), operation)
        if code != -ENOENT { try check(code, operation) }
        if let found = try find(folder, operation), found.entry == .folder {
            _ = try remove(folder, found, operation)
        }
    }

    /// Makes a folder and those above it, from the top: a name first, then what it names.
    private func make(_ folder: String, _ operation: String) throws(StoreError) {
        if known.withLock({ $0.contains(folder) }) { return }
        if let name = ObjectName(folder) {
            let found = try find(name, operation)
            guard found == nil || found?.entry == .folder else {
                throw StoreError(
                    .foreign, operation: operation, cause: "\(folder) is not a folder")
            }
            if found == nil, try !replace(name, nil, with: .folder, operation) {
                // Somebody was faster; with what, the next look tells.
                return try make(folder, operation)
            }
        }
        let change = WriteOperation(session)
        change.createIfMissing()
        try check(try change.run(on: Self.object(folder), operation), operation)
        known.withLock { _ = $0.insert(folder) }
    }

    private func forget(_ folder: String) {
        known.withLock { known in
            known = known.filter { $0 != folder && !$0.hasPrefix(folder + "/") }
        }
    }
}
