import ChunkStore
import Glibc
import Synchronization

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
        let new = try Temporary(in: folder, operation)
        do throws(StoreError) {
            try new.file.write(bytes, at: 0, operation)
            try new.file.synchronize(operation)
            try check(renameat(folder, new.name, folder, place.leaf), operation)
        } catch {
            unlinkat(folder, new.name, 0)
            throw error
        }
        try place.folder.synchronize(operation)
    }

    /// Removes what calls of `replaceObject` left behind when their process ended. Only for who
    /// holds the store alone: it would remove what others are writing.
    func removeTemporaries() throws(StoreError) {
        let top = try Descriptor(
            opening: ".", in: root.number, flags: O_RDONLY | O_DIRECTORY, "open store \(path)")
        try Self.removeTemporaries(in: top, "tidy up store \(path)")
    }

    private static func removeTemporaries(
        in folder: borrowing Descriptor, _ operation: String
    ) throws(StoreError) {
        for entry in try FolderReader.entries(of: folder, operation) {
            if entry.isFolder, ObjectName(entry.name) != nil {
                let inner = try Descriptor(
                    opening: entry.name, in: folder.number, flags: O_RDONLY | O_DIRECTORY,
                    operation)
                try removeTemporaries(in: inner, operation)
            } else if !entry.isFolder, entry.name.hasPrefix(Temporary.prefix) {
                try check(unlinkat(folder.number, entry.name, 0), operation)
            }
        }
    }
}

/// A file that will take an object's place.
private struct Temporary: ~Copyable {
    /// Begins the name of every one.
    static let prefix = ".new-"
    /// Tells those of this process apart.
    private static let last = Atomic<UInt64>(0)

    let name: String
    let file: Descriptor

    /// Makes one with a name that nothing else has, not even what an earlier process left behind.
    init(in folder: Int32, _ operation: String) throws(StoreError) {
        while true {
            let number = Self.last.add(1, ordering: .relaxed).newValue
            let name = "\(Self.prefix)\(getpid())-\(number)"
            do throws(StoreError) {
                file = try Descriptor(
                    opening: name, in: folder, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600,
                    operation)
                self.name = name
                return
            } catch {
                if error.code != .alreadyExists { throw error }
            }
        }
    }
}
