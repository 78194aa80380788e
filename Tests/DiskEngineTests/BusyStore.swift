import ChunkStore
import Glibc
import Synchronization

/// A store that has no lull while it is busy.
final class BusyStore: ChunkStore {
    private let base: any ChunkStore
    private let state = State()

    private final class State: Sendable {
        let isBusy = Atomic<Bool>(false)
        let waiting = Atomic<Int>(0)
        let calls = Atomic<Int>(0)
    }

    init(_ base: any ChunkStore) { self.base = base }

    var isBusy: Bool {
        get { state.isBusy.load(ordering: .acquiring) }
        set { state.isBusy.store(newValue, ordering: .releasing) }
    }
    /// How many wait for a lull.
    var waiting: Int { state.waiting.load(ordering: .acquiring) }
    /// How many have waited for one.
    var calls: Int { state.calls.load(ordering: .acquiring) }

    func awaitLull(while isWanted: () -> Bool) {
        state.calls.add(1, ordering: .acquiringAndReleasing)
        state.waiting.add(1, ordering: .acquiringAndReleasing)
        while isBusy, isWanted() { usleep(1000) }
        state.waiting.subtract(1, ordering: .acquiringAndReleasing)
    }

    var chunkKind: ChunkKind { base.chunkKind }

    func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try base.createFile(name, length: length, beginning: beginning)
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

    func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] { try base.list(folder) }
    func removeFolder(_ folder: ObjectName) throws(StoreError) { try base.removeFolder(folder) }

    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try base.lockExclusively(holder: holder)
    }

    func capacity() throws(StoreError) -> StoreCapacity { try base.capacity() }

    func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try base.reserve(bytes, name: name)
    }
}
