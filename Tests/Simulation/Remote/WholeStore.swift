import ChunkStore

/// A store far away that is had as a whole, taken from whoever has it if so wished; it tells when
/// it was.
struct WholeStore: ChunkStore {
    let base: any RemoteStore
    let isFencing: Bool
    let onTaken: @Sendable () -> Void

    var chunkKind: ChunkKind { base.chunkKind }

    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        let lock = try base.lockExclusively(holder: holder, fencing: isFencing)
        onTaken()
        return lock
    }

    func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try base.createFile(name, length: length, beginning: beginning)
    }

    func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try base.recycleFile(old, as: name, length: length, beginning: beginning, blank: blank)
    }

    func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try base.openFile(name)
    }

    func remove(_ name: ObjectName) throws(StoreError) { try base.remove(name) }

    func readVersioned(_ name: ObjectName, limit: Int) throws(StoreError) -> VersionedObject {
        try base.readVersioned(name, limit: limit)
    }

    func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try base.replaceObject(name, with: bytes, if: condition)
    }

    func awaitLull(while isWanted: () -> Bool) { base.awaitLull(while: isWanted) }
    func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] { try base.list(folder) }
    func removeFolder(_ folder: ObjectName) throws(StoreError) { try base.removeFolder(folder) }
    func capacity() throws(StoreError) -> StoreCapacity { try base.capacity() }

    func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try base.reserve(bytes, name: name)
    }
}
