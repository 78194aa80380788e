/// A store around another one. Every call that it does not make its own business is handed on as it
/// is: hints, too, and what comes to the contract later.
public protocol ForwardingStore: ChunkStore {
    var base: any ChunkStore { get }
}

extension ForwardingStore {
    public var chunkKind: ChunkKind { base.chunkKind }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try base.createFile(name, length: length, beginning: beginning)
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try base.recycleFile(old, as: name, length: length, beginning: beginning, blank: blank)
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try base.openFile(name)
    }

    public func remove(_ name: ObjectName) throws(StoreError) { try base.remove(name) }

    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        try base.readVersioned(name, limit: limit)
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try base.replaceObject(name, with: bytes, if: condition)
    }

    public func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try base.replaceSelfContainedObject(name, with: bytes, if: condition)
    }

    public func awaitLull(while isWanted: () -> Bool) { base.awaitLull(while: isWanted) }

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try base.list(folder)
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        try base.removeFolder(folder)
    }

    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try base.lockExclusively(holder: holder)
    }

    public func capacity() throws(StoreError) -> StoreCapacity { try base.capacity() }

    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try base.reserve(bytes, name: name)
    }
}
