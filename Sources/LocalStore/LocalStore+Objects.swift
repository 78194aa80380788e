import ChunkStore
import Glibc

extension LocalStore {
    public func readObject(_ name: ObjectName, limit: Int) throws(StoreError) -> [UInt8] {
        let operation = "read \(name)"
        let file = try open(name, O_RDONLY, operation)
        let length = try file.status(operation).st_size
        guard length <= limit else {
            let cause = "\(length) bytes, more than the \(limit) it may have"
            throw StoreError(.tooLarge, operation: operation, cause: cause)
        }
        // Objects are replaced, never changed in place: the size of this one is final.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
        defer { buffer.deallocate() }
        return Array(buffer[..<(try file.read(into: buffer, at: 0, operation))])
    }

    public func replaceObject(_ name: ObjectName, with bytes: [UInt8]) throws(StoreError) {
        let operation = "replace \(name)"
        try checkWritable(operation)
        let place = try place(of: name, creating: true, operation)
        let folder = place.folder.number
        let new = try Temporary(in: place.folder, operation)
        do throws(StoreError) {
            try new.file.write(bytes, at: 0, operation)
            try new.file.synchronize(operation)
            try check(
                place.folder.host.renameat(folder, new.name, folder, place.leaf), operation)
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
