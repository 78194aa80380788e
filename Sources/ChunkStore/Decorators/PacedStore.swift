/// A store of which no more is asked in a second than was said: so many bytes, so many calls. What
/// comes faster waits, on its own thread.
///
/// Invariants:
/// - Each call is handed on once, as it is, and not before `Bucket` lets it begin. Failed calls
///   have used what they took.
/// - An object that is read counts when its size is known, so what waits for it is the next call.
/// - Nothing is locked while a thread waits. Hints never wait: one for which there are no bytes
///   is dropped, and one that is followed counts besides the read that comes after it.
public struct PacedStore: ForwardingStore {
    public let base: any ChunkStore
    private let pacer: Pacer

    /// nil: as many as there may be.
    public init(_ base: any ChunkStore, bytes: Pace?, calls: Pace?, time: any StoreTime) {
        self.base = base
        pacer = Pacer(bytes: bytes, calls: calls, time: time)
    }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        pacer.begin(bytes: beginning.count)
        let file = try base.createFile(name, length: length, beginning: beginning)
        return PacedFile(file, pacer: pacer)
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        pacer.begin(bytes: Int(blank))
        let file = try base.recycleFile(
            old, as: name, length: length, beginning: beginning, blank: blank)
        return PacedFile(file, pacer: pacer)
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        pacer.begin()
        return PacedFile(try base.openFile(name), pacer: pacer)
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        pacer.begin()
        try base.remove(name)
    }

    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        pacer.begin()
        let object = try base.readVersioned(name, limit: limit)
        pacer.moved(bytes: object.bytes.count)
        return object
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        pacer.begin(bytes: bytes.count)
        return try base.replaceObject(name, with: bytes, if: condition)
    }

    public func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        pacer.begin(bytes: bytes.count)
        return try base.replaceSelfContainedObject(name, with: bytes, if: condition)
    }

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        pacer.begin()
        return try base.list(folder)
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        pacer.begin()
        try base.removeFolder(folder)
    }

    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        pacer.begin()
        return try base.lockExclusively(holder: holder)
    }

    public func capacity() throws(StoreError) -> StoreCapacity {
        pacer.begin()
        return try base.capacity()
    }

    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        pacer.begin()
        return try base.reserve(bytes, name: name)
    }
}
