import Synchronization

/// The contract of `SharedStore` kept in memory: one host's view of a store that several have. What
/// every other shared store is compared with, and the medium of tests with several hosts.
public final class SharedMemoryStore: SharedStore {
    /// What all hosts have in common.
    public final class Medium: Sendable {
        public let files: MemoryStore
        fileprivate let state = Mutex(State())

        public init(_ files: MemoryStore = MemoryStore()) { self.files = files }

        /// How often a folder, or all of it, was taken by a host that did not have it.
        var takings: Int { state.withLock { $0.count } }
    }

    fileprivate struct Holding {
        let host: ObjectIdentifier
        let holder: String
        /// Tells it from any other that this host has or had of the same folder.
        let number: Int
        var users = 1
    }

    fileprivate struct State {
        var whole: Holding?
        var folders: [ObjectName: Holding] = [:]
        /// Who had a folder last.
        var last: [ObjectName: ObjectIdentifier] = [:]
        var count = 0

        mutating func hold(_ host: ObjectIdentifier, _ holder: String) -> Holding {
            count += 1
            return Holding(host: host, holder: holder, number: count)
        }
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
        return ReleasedOnce { [self] in
            medium.state.withLock { state in
                state.folders = state.folders.filter { $0.value.host != ObjectIdentifier(self) }
            }
        }
    }

    public func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder {
        let me = ObjectIdentifier(self)
        let (number, isUnchanged) = try medium.state.withLock { state throws(StoreError) in
            if let whole = state.whole { throw Self.locked("take \(folder)", whole) }
            if let present = state.folders[folder] {
                if present.host == me {
                    state.folders[folder]?.users += 1
                    return (present.number, true)
                }
                if !isFencing { throw Self.locked("take \(folder)", present) }
            }
            let holding = state.hold(me, holder)
            state.folders[folder] = holding
            defer { state.last[folder] = me }
            return (holding.number, state.last[folder] == me)
        }
        let lock = ReleasedOnce { [self] in letGo(folder, number) }
        return TakenFolder(lock: lock, isUnchanged: isUnchanged)
    }

    private func letGo(_ folder: ObjectName, _ number: Int) {
        medium.state.withLock { state in
            guard let present = state.folders[folder], present.number == number else { return }
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
            state.whole = state.hold(ObjectIdentifier(self), holder)
            state.last = [:]
        }
        return ReleasedOnce { [self] in medium.state.withLock { $0.whole = nil } }
    }

    private static func locked(_ operation: String, _ holding: Holding) -> StoreError {
        StoreError(.locked, operation: operation, cause: "in use by `\(holding.holder)`")
    }

    /// What is about to be changed is this host's, or everybody's.
    fileprivate func check(_ name: ObjectName, _ operation: String) throws(StoreError) {
        let me = ObjectIdentifier(self)
        let parts = name.components.prefix(2)
        try medium.state.withLock { state throws(StoreError) in
            if state.whole?.host == me { return }
            guard parts.count == 2, parts[0] == "lineages",
                let folder = ObjectName(parts.joined(separator: "/"))
            else {
                if let whole = state.whole { throw Self.locked(operation, whole) }
                return
            }
            if state.folders[folder]?.host == me { return }
            throw StoreError(
                .fenced, operation: operation, cause: "this host has not taken \(folder)")
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
