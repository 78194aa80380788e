/// Untrusted storage: named files of fixed layout that are written in place and named once
/// (*chunks*), and small objects that are replaced as a whole (*manifests*).
///
/// A write is visible to every later read at once, and survives power loss only after
/// `ChunkFile.synchronize()`; a name, an object and a removal are durable when the call returns.
/// Nothing stored here is trusted: what comes back may be anything, and is verified by the caller.
///
/// Folders come into being, durably, with the first name in them, and stay until `removeFolder`.
/// Files and objects share one namespace. A store that is opened read-only refuses every call that
/// would change it with `.readOnly`; a call that finds what no store makes under a name (a link,
/// a device, a folder for a file) does so with `.foreign`. Where no code fits better, a failure is
/// `.io`.
///
/// A store on another machine may say at any call that it would not do it now (`.busy`), or that no
/// answer came (`.unanswered`). `Backends.md` has all this from the side of who writes a backend.
public protocol ChunkStore: Sendable {
    /// What the medium does with chunks. The same for as long as the store exists.
    var chunkKind: ChunkKind { get }

    /// Creates a file that must not exist yet, `length` bytes long with its space allocated, as
    /// far as the medium can: it begins with `beginning` and reads as zeros behind that. When
    /// this returns the file, its contents and its name are durable; at no moment does a file of
    /// that name hold anything else.
    ///
    /// On failure there is no file of that name; but where the medium fails, or no answer comes, so
    /// that this cannot be made sure of, it may be there, whole.
    /// Throws `.alreadyExists`, `.noSpace`, `.io`.
    /// Precondition: `beginning` is not longer than `length`.
    func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile

    /// Makes a file that nobody needs any more into a new one, which spares the host the search for
    /// space: like `createFile` of `name`, but that only the first `blank` bytes read as
    /// `beginning` and zeros. What lies behind them means nothing; it may be what `old` held. `old`
    /// is as long as the new file is to be, and gone when this returns, durably.
    ///
    /// On failure there is no file `name`, with the exception that `createFile` makes, and `old` is
    /// as it was or gone. Who has `old` open may see the new file through it.
    /// Throws `.notFound`, `.alreadyExists`, `.foreign` if `old` has another length, `.noSpace`,
    /// `.io`. Precondition: `beginning` is not longer than `blank`, nor that than `length`.
    func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile

    /// Opens an existing file for reading, and for writing unless the store is read-only.
    /// Throws `.notFound`, `.io`.
    func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile

    /// Removes a file or an object, durably. Handles that are open stay usable.
    /// Throws `.notFound`, `.io`.
    func remove(_ name: ObjectName) throws(StoreError)

    /// The whole of a small object, and its version.
    /// Throws `.notFound`, `.tooLarge` above `limit` bytes, `.io`.
    func readVersioned(_ name: ObjectName, limit: Int) throws(StoreError) -> VersionedObject

    /// Replaces a small object, or creates it, atomically and durably: after a crash it is wholly
    /// the old one or wholly the new one, and once this returns, the new one, whose version is
    /// returned. The condition is met at the very moment of the replacement: of several who name
    /// the same version, or `.absent`, one at most succeeds, whatever else is done to the name at
    /// the same time.
    ///
    /// Where the condition is not met nothing was done: `.alreadyExists` for `.absent`, `.conflict`
    /// for a version, also if there is no such object. After any other failure but `.busy` the
    /// object may be the old one or the new one. Throws these and `.noSpace`, `.io`.
    func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion

    /// The same of an object that says nothing of what any chunk holds: a store that puts chunks
    /// where they are durable later than it says so need not do that first.
    func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion

    /// For who is about to replace an object and is in no hurry: returns when the store would as
    /// soon do now as later what it has to do before, or when `isWanted` says no more, which is
    /// asked now and then. A hint: it waits for seconds at most, and nothing depends on it.
    func awaitLull(while isWanted: () -> Bool)

    /// The names directly below a folder, in no particular order; empty if there is no such folder.
    /// Not listed is what no `ObjectName` can name: what an interrupted call left behind, for one.
    /// Throws `.foreign` if something other than a folder has that name, `.io`.
    func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry]

    /// Removes a folder and everything below it, durably. No error if it is not there.
    /// Links are removed, never followed. Throws `.foreign` if it is not a folder, `.io`.
    func removeFolder(_ folder: ObjectName) throws(StoreError)

    /// Takes the store for this process alone until the returned lock is released or the process
    /// ends. What is seen of names and objects from then on is durable, also what a holder left
    /// that ended in the middle of a call. Throws `.locked` with a text that names the holder,
    /// `.io`.
    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock

    /// Space of the medium, in bytes.
    func capacity() throws(StoreError) -> StoreCapacity

    /// Sets aside `bytes` of space under `name`, or as many as there are, and returns how many
    /// stand aside from then on. Space set aside before counts towards it and is not given up
    /// meanwhile; what exceeds `bytes` is given back, and with 0 all of it. Throws `.io`.
    func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64
}

/// An open chunk. Every call may be made from any thread; calls on disjoint ranges run at once.
public protocol ChunkFile: AnyObject, Sendable {
    /// Reads up to `buffer.count` bytes at `offset`; fewer only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError)
        -> Int
    /// The same; calls `beforeWaiting`, once at most, if it has to wait for the medium, before it
    /// does: the moment to have what is read next fetched at the same time.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int
    /// A hint: the range is read soon. Begins to fetch it, as far as that takes no waiting.
    func prefetch(at offset: UInt64, length: UInt64)
    /// Bytes that a medium far away brings in hardly more time than a few: what is likely to be
    /// read some time is fetched in pieces of so many. 0: of a medium where each byte counts.
    var readUnit: UInt64 { get }
    /// A hint: what memory holds of the range, besides the medium, is not wanted. The next read
    /// then tells what the medium has.
    func forget(at offset: UInt64, length: UInt64)
    /// Writes the whole buffer, which must lie within the file: its length never changes.
    /// On failure any part of the range may have been written. Throws `.noSpace` (after a
    /// `deallocate`, or where the medium could not allocate), `.io`.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError)
    /// Writes two buffers that belong together, as two calls of `write` would, the first before
    /// the second; a medium far away may do both at the same time. On failure any part of both
    /// may have been written. Precondition: they do not overlap.
    func write(
        _ first: UnsafeRawBufferPointer, at offset: UInt64,
        with second: UnsafeRawBufferPointer, at secondOffset: UInt64
    ) throws(StoreError)
    /// Makes every write that had returned before this call durable (fdatasync). After a failure
    /// other than `.busy` nothing is known of them, and a later success says nothing about them.
    func synchronize() throws(StoreError)
    /// Writes out and forgets cached pages, so that the next reads come from the medium.
    func dropCache() throws(StoreError)
    /// Gives the space of a range back to the host, where chunks are appendable; it reads as zeros
    /// from then on. As a write, it is durable with the next `synchronize()`. What lies beyond the
    /// end is ignored.
    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError)
    /// Length in bytes, and bytes of space the host has allocated for it.
    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64)
}

extension ChunkFile {
    /// For files that never wait, or cannot tell.
    public func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        try read(into: buffer, at: offset)
    }

    /// For media that are near.
    public func write(
        _ first: UnsafeRawBufferPointer, at offset: UInt64,
        with second: UnsafeRawBufferPointer, at secondOffset: UInt64
    ) throws(StoreError) {
        try write(first, at: offset)
        try write(second, at: secondOffset)
    }

    public func prefetch(at offset: UInt64, length: UInt64) {}
    public var readUnit: UInt64 { 0 }
    public func forget(at offset: UInt64, length: UInt64) {}
}

/// Held while a store belongs to this process; released at the latest when the process ends.
public protocol StoreLock: AnyObject, Sendable {
    func release()
}

public struct StoreEntry: Sendable, Hashable {
    public let name: String
    public let isFolder: Bool

    public init(name: String, isFolder: Bool) {
        self.name = name
        self.isFolder = isFolder
    }
}

public struct StoreCapacity: Sendable, Hashable {
    /// Bytes in all, and bytes that an ordinary user may still take.
    public let total: UInt64
    public let available: UInt64

    public init(total: UInt64, available: UInt64) {
        self.total = total
        self.available = available
    }
}

extension ChunkStore {
    /// For stores where nothing has to be done first.
    public func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try replaceObject(name, with: bytes, if: condition)
    }

    /// For stores that put everything in its place at once.
    public func awaitLull(while isWanted: () -> Bool) {}

    /// For stores where space that was given back is as good as any other.
    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try remove(old)
        return try createFile(name, length: length, beginning: beginning)
    }

    /// A file of zeros.
    public func createFile(_ name: ObjectName, length: UInt64) throws(StoreError) -> any ChunkFile {
        try createFile(name, length: length, beginning: [])
    }
}
