import CLinuxFile
import ChunkStore
import Glibc
import Synchronization

/// A folder of the host as a store. It may lie on any Linux file system; ext4, XFS and Btrfs give
/// all that the contract asks. Where the file system cannot preallocate, a file's space is not
/// promised; where it cannot punch holes, `deallocate` writes zeros and gives nothing back.
///
/// Every name is reached from the folder's descriptor, one component at a time, and links are never
/// followed, so nothing that was planted in the store can lead out of it. Files are 0600 and
/// folders 0700. What begins with a dot is the store's own, since no `ObjectName` does:
/// `.lock`, and `.new-…` while a file is being made or an object replaced.
public final class LocalStore: ChunkStore {
    /// The path as it was given, for messages.
    public let path: String
    public let isReadOnly: Bool
    let root: Descriptor
    /// The user whom the store's folder belongs to.
    let owner: uid_t
    /// Invariant: the name of every folder in here, and of those above it, is durable.
    let durableFolders = Mutex<Set<String>>([])
    /// Had by who replaces or removes what has a name.
    let turns = NameTurns()
    public let chunkKind = ChunkKind.appendable

    /// Opens the store in an existing folder. Throws `.notFound`, `.io`.
    public convenience init(path: String, readOnly: Bool = false) throws(StoreError) {
        try self.init(path: path, readOnly: readOnly, host: Kernel())
    }

    init(path: String, readOnly: Bool = false, host: any HostCalls) throws(StoreError) {
        self.path = path
        isReadOnly = readOnly
        root = try Descriptor(folderAt: path, on: host, "open store \(path)")
        owner = try root.status("open store \(path)").st_uid
    }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        let operation = "create \(name)"
        try checkWritable(operation)
        let place = try place(of: name, creating: true, operation)
        let new = try Temporary(in: place.folder, operation)
        do throws(StoreError) {
            try Self.allocate(length, in: new.file, operation)
            try new.file.write(beginning, at: 0, operation)
        } catch {
            place.folder.discard(new.name)
            throw error
        }
        return try complete(new, as: name, at: place, length: length, operation)
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        let operation = "recycle \(old) as \(name)"
        try checkWritable(operation)
        let source = try self.place(of: old, creating: false, operation)
        let file = try open(source.leaf, in: source.folder, O_RDWR, operation)
        let found = UInt64(try file.status(operation).st_size)
        guard found == length else {
            throw StoreError(
                .foreign, operation: operation, cause: "it has \(found) bytes, not \(length)")
        }
        let place = try place(of: name, creating: true, operation)
        let new = try Temporary.taking(
            source.leaf, of: file, in: source.folder, to: place.folder, operation)
        do throws(StoreError) {
            // Before anything in it changes: the old name must never lead to the new contents.
            try source.folder.synchronize(operation)
            let zeros = [UInt8](repeating: 0, count: Int(blank) - beginning.count)
            try new.file.write(beginning, at: 0, operation)
            try new.file.write(zeros, at: off_t(beginning.count), operation)
            try Self.allocate(length, in: new.file, operation)
        } catch {
            place.folder.discard(new.name)
            throw error
        }
        return try complete(new, as: name, at: place, length: length, operation)
    }

    /// Makes a file that has its contents durable, and then its name; or it goes.
    private func complete(
        _ new: consuming Temporary, as name: ObjectName, at place: borrowing Place, length: UInt64,
        _ operation: String
    ) throws(StoreError) -> any ChunkFile {
        do throws(StoreError) {
            try new.file.synchronize(operation)
            try new.takeName(place.leaf, in: place.folder, operation)
        } catch {
            place.folder.discard(new.name)
            throw error
        }
        do throws(StoreError) {
            try place.folder.synchronize(operation)
        } catch {
            // The failure that is reported is this one; whether the name goes is the medium's word.
            place.folder.discard(place.leaf)
            try? place.folder.synchronize(operation)
            throw error
        }
        return LocalChunkFile(new.intoFile(), name: name, length: length, isReadOnly: false)
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        let operation = "open \(name)"
        let file = try open(name, isReadOnly ? O_RDONLY : O_RDWR, operation)
        let length = UInt64(try file.status(operation).st_size)
        return LocalChunkFile(file, name: name, length: length, isReadOnly: isReadOnly)
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        let operation = "remove \(name)"
        try checkWritable(operation)
        let place = try place(of: name, creating: false, operation)
        try turns.withTurn(at: name) { () throws(StoreError) in
            try check(place.folder.host.unlinkat(place.folder.number, place.leaf, 0), operation)
        }
        try place.folder.synchronize(operation)
    }

    func checkWritable(_ operation: String) throws(StoreError) {
        guard isReadOnly else { return }
        throw StoreError(
            .readOnly, operation: operation, cause: "the store \(path) was opened read-only")
    }

    /// Opens a regular file, and nothing else that may stand in its place.
    func open(
        _ name: ObjectName, _ flags: Int32, _ operation: String
    ) throws(StoreError) -> Descriptor {
        let place = try place(of: name, creating: false, operation)
        return try open(place.leaf, in: place.folder, flags, operation)
    }

    /// The only way by which a file that is there already is opened. With O_CREAT it is made if it
    /// is not.
    func open(
        _ leaf: String, in folder: borrowing Descriptor, _ flags: Int32, _ operation: String
    ) throws(StoreError) -> Descriptor {
        // O_NONBLOCK: a planted FIFO must not hold us up.
        let file = try Descriptor(
            opening: leaf, in: folder, flags: flags | O_NONBLOCK, mode: 0o600, operation)
        try file.checkRegular(
            forWriting: flags & O_ACCMODE != O_RDONLY, owner: owner, operation)
        return file
    }

    private static func allocate(
        _ length: UInt64, in file: borrowing Descriptor, _ operation: String
    ) throws(StoreError) {
        guard length > 0 else { return }
        guard let length = off_t(exactly: length) else {
            throw StoreError(errno: EFBIG, operation)
        }
        let (number, host) = (file.number, file.host)
        // A file without holes has its space; being asked for it, the file system would look at
        // every page all the same.
        if host.firstHole(number) == length { return }
        if retrying({ host.fallocate(number, 0, 0, length) }) == 0 { return }
        guard errno == EOPNOTSUPP else { throw StoreError(errno: errno, operation) }
        try check(retrying { host.ftruncate(number, length) }, operation)
    }
}
