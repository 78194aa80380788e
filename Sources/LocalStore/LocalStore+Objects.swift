import ChunkStore
import Glibc

extension LocalStore {
    /// The version of an object is what it holds: a folder knows nothing that tells two states of a
    /// file apart for certain (numbers of files are used again, times stand still for a while), and
    /// objects are small.
    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        let operation = "read \(name)"
        let file = try open(name, O_RDONLY, operation)
        let length = try file.status(operation).st_size
        guard length <= limit else {
            let cause = "\(length) bytes, more than the \(limit) it may have"
            throw StoreError(.tooLarge, operation: operation, cause: cause)
        }
        let bytes = try Self.contents(of: file, length: length, operation)
        return VersionedObject(bytes: bytes, version: ObjectVersion(bytes))
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        let operation = "replace \(name)"
        try checkWritable(operation)
        try turns.withTurn(at: name) { () throws(StoreError) in
            if case .version(let version) = condition {
                try checkVersion(version, of: name, operation)
            }
            try replace(name, with: bytes, keepingOld: condition == .absent, operation)
        }
        return ObjectVersion(bytes)
    }

    /// Throws `.conflict` unless the object has this version. Whoever may change it waits.
    private func checkVersion(
        _ version: ObjectVersion, of name: ObjectName, _ operation: String
    ) throws(StoreError) {
        do throws(StoreError) {
            let file = try open(name, O_RDONLY, operation)
            let length = try file.status(operation).st_size
            if length == version.token.count,
                try Self.contents(of: file, length: length, operation) == version.token
            {
                return
            }
        } catch {
            if error.code != .notFound { throw error }
        }
        throw StoreError(
            .conflict, operation: operation, cause: "it is not what it was when it was read")
    }

    /// Objects are replaced, never changed in place: the size of each is final.
    private static func contents(
        of file: borrowing Descriptor, length: Int, _ operation: String
    ) throws(StoreError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
        defer { buffer.deallocate() }
        return Array(buffer[..<(try file.read(into: buffer, at: 0, operation))])
    }

    /// With `keepingOld`, throws `.alreadyExists` where anything has the name, which also another
    /// process may have given at this moment.
    private func replace(
        _ name: ObjectName, with bytes: [UInt8], keepingOld: Bool, _ operation: String
    ) throws(StoreError) {
        let place = try place(of: name, creating: true, operation)
        let folder = place.folder.number
        let new = try Temporary(in: place.folder, operation)
        do throws(StoreError) {
            try new.file.write(bytes, at: 0, operation)
            try new.file.synchronize(operation)
            if keepingOld {
                try new.takeName(place.leaf, in: place.folder, operation)
            } else {
                try check(
                    place.folder.host.renameat(folder, new.name, folder, place.leaf), operation)
            }
        } catch {
            place.folder.discard(new.name)
            throw error
        }
        try place.folder.synchronize(operation)
    }

    /// No folder of a store lies deeper than this; what does was planted, and is passed by.
    private static let deepestFolder = 8

    /// Puts in order what a process left behind that ended in the middle of a call: removes what is
    /// unfinished, and makes every name durable, for the last that it gave may not be; whoever
    /// reads what a name leads to may rely on it from then on. Only for who holds the store alone:
    /// it would remove what others are writing. What cannot be tidied up stays, and keeps nobody
    /// from using the rest. Throws `.io`.
    func settle() throws(StoreError) {
        let top = try Descriptor(
            opening: ".", in: root, flags: O_RDONLY | O_DIRECTORY, "open store \(path)")
        try Self.settle(top, depth: 0, "tidy up store \(path)")
    }

    private static func settle(
        _ folder: borrowing Descriptor, depth: Int, _ operation: String
    ) throws(StoreError) {
        guard depth <= deepestFolder,
            let entries = try? FolderReader.entries(of: folder, operation)
        else { return }
        for entry in entries {
            if entry.isFolder, ObjectName(entry.name) != nil {
                if let inner = try? Descriptor(
                    opening: entry.name, in: folder, flags: O_RDONLY | O_DIRECTORY,
                    operation)
                {
                    try settle(inner, depth: depth + 1, operation)
                }
            } else if !entry.isFolder, entry.name.hasPrefix(Temporary.prefix) {
                folder.discard(entry.name)
            }
        }
        try folder.synchronize(operation)
    }
}
