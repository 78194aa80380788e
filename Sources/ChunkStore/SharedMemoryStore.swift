import Synchronization

/// The contract of `SharedStore` kept in memory: one host's view of a store that several have. What
/// every other shared store is compared with, and the medium of tests with several hosts.
public final class SharedMemoryStore: SharedStore {
    /// What all hosts have in common.
    public final class Medium: Sendable {
        public let files: MemoryStore
        fileprivate let state = Mutex(State())

        public init(_ files: MemoryStore = MemoryStore()) { self.files = files }
    }

    fileprivate struct Holding {
        let host: ObjectIdentifier
        let holder: String
        var users: Int
    }

    fileprivate struct State {
        var whole: Holding?
        var folders: [ObjectName: Holding] = [:]
        /// Who had a folder last.
        var last: [ObjectName: ObjectIdentifier] = [:]
    }

    private let medium: Medium
    private var files: MemoryStore { medium.files }

    public init(_ medium: Medium) { self.medium = medium }

    public var chunkKind: ChunkKind { files.chunkKind }

    // MARK: Who has what

    public func join(holder: String) throws(StoreError) -> any StoreLock {
        try medium.state.withLock { state throws(StoreError) in
            if let whole = state.whole { throw Self.locked("join the store", whole) }
        }
        return SharedMemoryLock { [self] in
            medium.state.withLock { state in
                state.folders = state.folders.filter { $0.value.host != ObjectIdentifier(self) }
            }
        }
    }

    public func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder {
        let me = ObjectIdentifier(self)
        let isUnchanged = try medium.state.withLock { state throws(StoreError) in
            if let whole = state.whole { throw Self.locked("take \(folder)", whole) }
            if let present = state.folders[folder] {
                if present.host == me {
                    state.folders[folder]?.users += 1
                    return true
                }
                if !isFencing { throw Self.locked("take \(folder)", present) }
            }
            state.folders[folder] = Holding(host: me, holder: holder, users: 1)
            defer { state.last[folder] = me }
            return state.last[folder] == me
        }
        let lock = SharedMemoryLock { [self] in letGo(folder) }
        return TakenFolder(lock: lock, isUnchanged: isUnchanged)
    }

    private func letGo(_ folder: ObjectName) {
        medium.state.withLock { state in
            guard let present = state.folders[folder], present.host == ObjectIdentifier(self)
            else { return }
            state.folders[folder]?.users -= 1
            if present.users == 1 { state.folders[folder] = nil }
        }
    }

    public func holders() throws(StoreError) -> [ObjectName: String] {
        medium.state.withLock { state in
            state.folders.filter { $0.value.host != ObjectIdentifier(self) }
                .mapValues(\.holder)
        }
    }

    public func versions(
        below folder: ObjectName
    ) throws(StoreError) -> [ObjectName: ObjectVersion] {
        var versions: [ObjectName: ObjectVersion] = [:]
        for name in files.names where name.hasPrefix("\(folder)/") {
            guard let name = ObjectName(name) else { continue }
            // Chunks are files, and too large for an object.
            if let object = try? files.readVersioned(name, limit: 1 << 20) {
                versions[name] = object.version
            }
        }
        return versions
    }

    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try medium.state.withLock { state throws(StoreError) in
            if let present = state.whole ?? state.folders.values.first {
                throw Self.locked("lock the store", present)
            }
            state.whole = Holding(host: ObjectIdentifier(self), holder: holder, users: 1)
        }
        return SharedMemoryLock { [self] in medium.state.withLock { $0.whole = nil } }
    }

    private static func locked(_ operation: String, _ holding: Holding) -> StoreError {
        StoreError(.locked, operation: operation, cause: "in use by `\(holding.holder)`")
    }

    /// What is about to be changed is this host's.
    fileprivate func check(_ name: ObjectName, _ operation: String) throws(StoreError) {
        let parts = name.components.prefix(2)
        guard parts.count == 2, parts[0] == "lineages",
            let folder = ObjectName(parts.joined(separator: "/"))
        else { return }
        let me = ObjectIdentifier(self)
        let isMine = medium.state.withLock { state in
            state.whole?.host == me || state.folders[folder]?.host == me
        }
        guard isMine else {
            throw StoreError(
                .fenced, operation: operation, cause: "another host has \(folder), or nobody")
        }
    }

    // MARK: The store

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try check(name, "create \(name)")
        let file = try files.createFile(name, length: length, beginning: beginning)
        return SharedMemoryFile(file, name, of: self)
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        SharedMemoryFile(try files.openFile(name), name, of: self)
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        try check(name, "remove \(name)")
        try files.remove(name)
    }

    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        try files.readVersioned(name, limit: limit)
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try check(name, "replace \(name)")
        return try files.replaceObject(name, with: bytes, if: condition)
    }

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try files.list(folder)
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        try check(folder, "remove folder \(folder)")
        try files.removeFolder(folder)
    }

    public func capacity() throws(StoreError) -> StoreCapacity { try files.capacity() }

    /// A host's own business.
    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 { 0 }
}

/// An open chunk, which is written to while its folder is this host's.
private final class SharedMemoryFile: ChunkFile {
    private let base: any ChunkFile
    private let name: ObjectName
    private let store: SharedMemoryStore

    init(_ base: any ChunkFile, _ name: ObjectName, of store: SharedMemoryStore) {
        self.base = base
        self.name = name
        self.store = store
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int { try base.read(into: buffer, at: offset) }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try store.check(name, "write \(name)")
        try base.write(buffer, at: offset)
    }

    func synchronize() throws(StoreError) {
        try store.check(name, "synchronize \(name)")
        try base.synchronize()
    }

    func dropCache() throws(StoreError) { try base.dropCache() }

    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        try store.check(name, "deallocate \(name)")
        try base.deallocate(at: offset, length: length)
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) { try base.size() }
}

/// Released once.
private final class SharedMemoryLock: StoreLock {
    private let end: @Sendable () -> Void
    private let isHeld = Atomic(true)

    init(_ end: @escaping @Sendable () -> Void) { self.end = end }
    deinit { release() }

    func release() {
        if isHeld.exchange(false, ordering: .acquiringAndReleasing) { end() }
    }
}
