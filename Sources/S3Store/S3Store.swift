import ChunkStore
import Scheduling
import Synchronization

/// A store in a bucket, with a folder of this host as its cache.
///
/// Chunks are written in the cache as in any folder, and put into the bucket by threads of this
/// store (`Uploads.swift`, `CachedChunk+Publish.swift`); objects go to the bucket at once, but not
/// before every chunk written until then of the same folder `lineages/…` is there. So whatever an
/// object names is in the bucket when the object is.
///
/// Under a lease (`S3Lease.swift`) one process has the store, or in a store that is shared one
/// folder `lineages/…` (`S3Store+Sharing.swift`); one that lost it can change nothing more there
/// that counts (`S3Store+Takeover.swift`).
///
/// A name may be a folder's and a file's at the same time, since a bucket has no folders; nothing
/// of this program makes one. A folder is there as long as something is in it.
public final class S3Store: ChunkStore {
    public let chunkKind = ChunkKind.whole
    let holdings: Holdings
    let cache: Cache
    let options: S3StoreOptions
    let time: any StoreTime
    /// Seconds since 1970, for people.
    let wallSeconds: @Sendable () -> UInt64
    let uploads: Uploads
    let threads: any Threads
    /// What is known of small objects, and has not to be asked for.
    let known = Mutex<[ObjectName: KnownObject]>([:])
    let random: @Sendable (Int) -> [UInt8]
    /// The leases that this process has, by their keys.
    let held = Mutex<[ObjectKey: S3Lease]>([:])
    let taken: TakenFolders<S3Lease>
    /// Leases of others as they were last seen.
    let seen = Mutex<[ObjectName: FoundLease]>([:])
    let present = PresentChunks()

    /// - Parameters:
    ///   - objects: the bucket, or the part of it that is the store's.
    ///   - cache: a store of this host that nothing else uses.
    ///   - random: so many random bytes.
    public init(
        _ objects: any ObjectStorage, cache: any ChunkStore, options: S3StoreOptions = .init(),
        threads: any Threads, time: any StoreTime, wallSeconds: @escaping @Sendable () -> UInt64,
        random: @escaping @Sendable (Int) -> [UInt8]
    ) throws(StoreError) {
        self.cache = Cache(files: cache)
        self.options = options
        self.threads = threads
        self.time = time
        self.wallSeconds = wallSeconds
        self.random = random
        taken = TakenFolders(threads.makeMonitor())
        func bucket() -> Bucket {
            let gate = LeaseGate(threads: threads, time: time, patience: options.patience)
            return Bucket(
                objects, gate: gate, time: time, patience: options.patience, random: random)
        }
        holdings = Holdings(whole: bucket(), visited: bucket())
        uploads = Uploads(
            holdings: holdings, cache: self.cache, options: options, threads: threads, time: time)
        try uploads.load(below: nil)
    }

    /// The store as it is had as a whole.
    var bucket: Bucket { holdings.whole }
    var gate: LeaseGate { bucket.gate }

    /// Uploads what waits and ends this store's threads. Nothing may be called afterwards.
    public func close() throws(StoreError) { try uploads.close() }

    /// Chunks that this host wrote and had not uploaded when another took the store: they were
    /// dropped from the cache when this process took it back.
    public var forgottenChunks: Int { uploads.forgotten.load(ordering: .relaxed) }

    // MARK: Chunks

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        let operation = "create \(name)"
        try holdings[name].gate.check(operation)
        try uploads.start()
        try uploads.waitForRoom(operation)
        if uploads.knows(name) { throw exists(operation) }
        // Whoever writes to a disk waits for this: not told of a server that comes back in time.
        var isThere = false
        try uploads.patiently { () throws(StoreError) in isThere = try isPresent(name) }
        if isThere { throw exists(operation) }
        let chunk = try uploads.create(name, length: length, beginning: beginning)
        present.insert(name)
        return S3ChunkFile(chunk, store: self)
    }

    /// Whether the bucket has a chunk. Under a lease each folder is asked for once.
    private func isPresent(_ name: ObjectName) throws(StoreError) -> Bool {
        guard isHeld(name) else { return try CachedChunk.findIndex(of: name, in: bucket) != nil }
        if let known = present.has(name) { return known }
        let prefix = Bucket.index(name).text.dropLast(name.components.last?.utf8.count ?? 0)
        let found = try bucket.objects.list(String(prefix), isDeep: false).objects
        let names = found.compactMap {
            ObjectName(String($0.key.text.dropFirst(Bucket.indexes.utf8.count)))
        }
        present.note(Set(names), besides: name)
        return names.contains(name)
    }

    /// A new chunk in place of an old one: a bucket has no space to keep.
    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        let operation = "recycle \(old) as \(name)"
        let found = try openFile(old).size().length
        guard found == length else {
            throw StoreError(
                .foreign, operation: operation, cause: "it has \(found) bytes, not \(length)")
        }
        let new = try createFile(name, length: length, beginning: beginning)
        try remove(old)
        return new
    }

    private func exists(_ operation: String) -> StoreError {
        StoreError(.alreadyExists, operation: operation, cause: "the bucket has it already")
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        if let chunk = uploads.open(name) { return S3ChunkFile(chunk, store: self) }
        guard let (index, tag) = try CachedChunk.findIndex(of: name, in: bucket) else {
            return try cache.files.openFile(name)
        }
        let chunk = try uploads.adopt(name, index: index, tag: tag)
        return S3ChunkFile(chunk, store: self)
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        let operation = "remove \(name)"
        try holdings[name].gate.check(operation)
        if try removeChunk(name) { return }
        try removeObject(name, operation)
    }

    /// False if there is no such chunk.
    private func removeChunk(_ name: ObjectName) throws(StoreError) -> Bool {
        if !uploads.knows(name), try CachedChunk.findIndex(of: name, in: bucket) == nil {
            return false
        }
        try uploads.remove(name)
        present.remove(name)
        return true
    }

    // MARK: Folders

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        var entries: Set<StoreEntry> = []
        // Asked before the bucket is: what ceases to wait meanwhile is there.
        let waiting = uploads.names(onlyWaiting: true)
        for top in ["objects", "chunks"] {
            let found = try bucket.objects.list("\(top)/\(folder)/", isDeep: false)
            for name in found.folders { entries.insert(StoreEntry(name: name, isFolder: true)) }
            for object in found.objects where object.size > ObjectEnvelope.removedSize {
                let leaf = String(object.key.text.dropFirst("\(top)/\(folder)/".utf8.count))
                guard let name = ObjectName("\(folder)/\(leaf)") else { continue }
                if top == "objects", try !doesCount(name) { continue }
                entries.insert(StoreEntry(name: leaf, isFolder: false))
            }
        }
        for name in waiting where name.path.hasPrefix("\(folder)/") {
            let rest = name.path.dropFirst(folder.path.utf8.count + 1)
            let leaf = rest.prefix { $0 != "/" }
            entries.insert(StoreEntry(name: String(leaf), isFolder: leaf.count < rest.count))
        }
        return Array(entries)
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        let operation = "remove folder \(folder)"
        try holdings[folder].gate.check(operation)
        for name in uploads.names(onlyWaiting: false) where name.path.hasPrefix("\(folder)/") {
            try uploads.remove(name)
        }
        // What says that something is there goes before what it leads to.
        for top in ["objects", "chunks", "data"] {
            for object in try bucket.objects.list("\(top)/\(folder)/", isDeep: true).objects {
                try bucket.objects.delete(object.key)
            }
        }
        known.withLock { $0 = $0.filter { !$0.key.path.hasPrefix("\(folder)/") } }
        present.forget(below: folder)
    }

    public func awaitLull(while isWanted: () -> Bool) { uploads.awaitLull(while: isWanted) }

    // MARK: Space

    /// A bucket has no size: it is told as full while it refuses to take more.
    public func capacity() throws(StoreError) -> StoreCapacity {
        let total: UInt64 = 1 << 60
        return StoreCapacity(total: total, available: uploads.isFull ? 0 : total)
    }

    /// Space of this host: that of the bucket cannot be set aside, and deleting there needs none.
    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try cache.files.reserve(bytes, name: name)
    }
}

/// An open chunk of an `S3Store`.
final class S3ChunkFile: ChunkFile {
    private let chunk: CachedChunk
    private let store: S3Store

    /// Precondition: the chunk was opened for this file, which closes it.
    init(_ chunk: CachedChunk, store: S3Store) {
        self.chunk = chunk
        self.store = store
    }

    deinit { store.uploads.closed(chunk) }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        try read(into: buffer, at: offset) {}
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        store.uploads.touch(chunk)
        var told = false
        return try chunk.read(into: buffer, at: offset) {
            if !told { beforeWaiting() }
            told = true
        }
    }

    func prefetch(at offset: UInt64, length: UInt64) {
        guard offset < chunk.length, length > 0 else { return }
        let pages = PageSet.pages(offset, min(length, chunk.length - offset))
        store.uploads.readAhead(chunk, pages)
    }

    /// A server takes tens of milliseconds to begin its answer, and sends so much in one or two.
    var readUnit: UInt64 { 256 << 10 }

    func forget(at offset: UInt64, length: UInt64) {
        guard offset < chunk.length, length > 0 else { return }
        chunk.forget(PageSet.pages(offset, min(length, chunk.length - offset)))
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        guard offset <= chunk.length, UInt64(buffer.count) <= chunk.length - offset else {
            throw StoreError(
                .io, operation: "write \(chunk.name)",
                cause: "offset \(offset) is outside the file")
        }
        guard buffer.count > 0 else { return }
        let now = store.uploads.milliseconds()
        try chunk.write(buffer, at: offset, now: now)
        store.uploads.noteWritten(chunk, now: now)
    }

    func synchronize() throws(StoreError) {
        try chunk.bucket.gate.check("synchronize \(chunk.name)")
        switch store.options.durability {
        case .host: try chunk.synchronizeLocally()
        case .store: try store.uploads.publishForFlush(chunk)
        }
        try chunk.bucket.gate.check("synchronize \(chunk.name)")
    }

    func dropCache() throws(StoreError) {
        try synchronize()
        try chunk.dropCache()
    }

    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        guard offset < chunk.length, length > 0 else { return }
        let end = offset + min(length, chunk.length - offset)
        try chunk.deallocate(offset..<end, now: store.uploads.milliseconds())
        store.uploads.noteDead(chunk)
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        (chunk.length, chunk.allocated)
    }
}
