import ChunkStore
import DiskFormat
import Synchronization

/// Tells a check's caller what is read, and ends the check when the caller says so: from then on
/// every read fails, and `checkGoesOn` tells that from damage.
final class CheckGauge: Sendable {
    /// Gets the bytes that were read since the last call; may wait, for a rate; false: no more.
    private let onRead: @Sendable (UInt64) -> Bool
    private let isStopped = Atomic<Bool>(false)
    /// Files of which more than the header was read: somebody's map or log leads there.
    private let needed = Mutex<Set<String>>([])

    init(onRead: @escaping @Sendable (UInt64) -> Bool) { self.onRead = onRead }

    func hasRead(_ count: Int, _ name: ObjectName) throws(StoreError) {
        if !isStopped.load(ordering: .relaxed), onRead(UInt64(count)) { return }
        isStopped.store(true, ordering: .relaxed)
        throw StoreError(.io, operation: "read \(name)", cause: "the check was interrupted")
    }

    func needs(_ name: ObjectName) { needed.withLock { _ = $0.insert(name.path) } }
    func wasNeeded(_ path: String) -> Bool { needed.withLock { $0.contains(path) } }

    /// Asked before anything that was read is believed to be damaged.
    func checkGoesOn() throws {
        if isStopped.load(ordering: .relaxed) { throw CheckInterrupted() }
    }
}

/// A store of which nothing is changed, whatever is asked, and that is read from the medium.
struct ReadOnlyStore: ChunkStore {
    let base: any ChunkStore
    let gauge: CheckGauge

    var chunkKind: ChunkKind { base.chunkKind }

    func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        let file = ReadOnlyFile(base: try base.openFile(name), name: name, gauge: gauge)
        try file.dropCache()
        return file
    }

    func readVersioned(_ name: ObjectName, limit: Int) throws(StoreError) -> VersionedObject {
        let object = try base.readVersioned(name, limit: limit)
        try gauge.hasRead(object.bytes.count, name)
        return object
    }

    func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] { try base.list(folder) }
    func capacity() throws(StoreError) -> StoreCapacity { try base.capacity() }

    func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile { throw refusal("create \(name)") }
    func remove(_ name: ObjectName) throws(StoreError) { throw refusal("remove \(name)") }
    func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion { throw refusal("replace \(name)") }
    func removeFolder(_ folder: ObjectName) throws(StoreError) {
        throw refusal("remove folder \(folder)")
    }
    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        throw refusal("lock the store")
    }
    func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        throw refusal("reserve \(name)")
    }
}

private func refusal(_ operation: String) -> StoreError {
    StoreError(.readOnly, operation: operation, cause: "a check changes nothing")
}

private final class ReadOnlyFile: ChunkFile {
    private let base: any ChunkFile
    private let name: ObjectName
    private let gauge: CheckGauge

    init(base: any ChunkFile, name: ObjectName, gauge: CheckGauge) {
        self.base = base
        self.name = name
        self.gauge = gauge
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError)
        -> Int
    {
        let count = try base.read(into: buffer, at: offset)
        if offset >= ChunkLayout.headerSize { gauge.needs(name) }
        try gauge.hasRead(count, name)
        return count
    }

    func prefetch(at offset: UInt64, length: UInt64) { base.prefetch(at: offset, length: length) }
    var readUnit: UInt64 { base.readUnit }
    func forget(at offset: UInt64, length: UInt64) { base.forget(at: offset, length: length) }
    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) { try base.size() }

    /// Nobody writes: what is there is as durable as it gets.
    func synchronize() throws(StoreError) {}
    func dropCache() throws(StoreError) { base.forget(at: 0, length: try base.size().length) }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        throw refusal("write \(name)")
    }
    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        throw refusal("deallocate in \(name)")
    }
}
