import ChunkStore

/// A store far away that is shared: each lineage that there is when it is joined is taken from
/// whoever has it, and kept.
struct LineageFencingStore: SharedStore {
    let base: any RemoteStore
    let onTaken: @Sendable () -> Void

    var chunkKind: ChunkKind { base.chunkKind }

    func join(holder: String) throws(StoreError) -> any StoreLock {
        let membership = try base.join(holder: holder)
        guard let lineages = ObjectName("lineages") else { return membership }
        var locks: [any StoreLock] = []
        do throws(StoreError) {
            for entry in try base.list(lineages) where entry.isFolder {
                guard let folder = ObjectName("lineages/\(entry.name)") else { continue }
                locks.append(try base.takeFolder(folder, holder: holder, isFencing: true).lock)
            }
        } catch {
            for lock in locks { lock.release() }
            membership.release()
            throw error
        }
        onTaken()
        return Locks(all: locks + [membership])
    }

    private final class Locks: StoreLock {
        private let all: [any StoreLock]
        init(all: [any StoreLock]) { self.all = all }
        func release() { for lock in all { lock.release() } }
    }

    func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder {
        try base.takeFolder(folder, holder: holder, isFencing: isFencing)
    }

    func holders() throws(StoreError) -> [ObjectName: String] { try base.holders() }

    func versions(
        below folder: ObjectName
    ) throws(StoreError) -> [ObjectName: ObjectVersion] {
        try base.versions(below: folder)
    }

    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try base.lockExclusively(holder: holder)
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
