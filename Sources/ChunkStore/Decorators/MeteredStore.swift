/// A store that counts what is asked of it, by kind of call: calls, failures, bytes, time.
///
/// Invariants:
/// - Each call is handed on once, as it is, and counted once, when it has ended.
/// - Nothing is locked: a call costs two looks at the clock and a few additions.
///
/// Hints are handed on uncounted: what one costs its backend alone knows. Around a `RetryingStore`
/// it counts what the engine asks, below it what the medium is asked.
public struct MeteredStore: ForwardingStore {
    public let base: any ChunkStore
    private let meters: CallMeters

    public init(_ base: any ChunkStore, time: any StoreTime) {
        self.base = base
        meters = CallMeters(time: time)
    }

    /// What was counted so far, of each kind of call.
    public var figures: [StoreOperation: CallFigures] { meters.figures }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try file(.createFile, bytes: beginning.count) { () throws(StoreError) in
            try base.createFile(name, length: length, beginning: beginning)
        }
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try file(.recycleFile, bytes: Int(blank)) { () throws(StoreError) in
            try base.recycleFile(old, as: name, length: length, beginning: beginning, blank: blank)
        }
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try file(.openFile, bytes: 0) { () throws(StoreError) in try base.openFile(name) }
    }

    private func file(
        _ operation: StoreOperation, bytes: Int, _ make: () throws(StoreError) -> any ChunkFile
    ) throws(StoreError) -> any ChunkFile {
        let file = try meters.count(operation, bytes: bytes, make)
        return MeteredFile(file, meters: meters)
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        try meters.count(.remove) { () throws(StoreError) in try base.remove(name) }
    }

    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        try meters.count(.readObject, bytesOf: \.bytes.count) { () throws(StoreError) in
            try base.readVersioned(name, limit: limit)
        }
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try meters.count(.replaceObject, bytes: bytes.count) { () throws(StoreError) in
            try base.replaceObject(name, with: bytes, if: condition)
        }
    }

    public func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try meters.count(.replaceObject, bytes: bytes.count) { () throws(StoreError) in
            try base.replaceSelfContainedObject(name, with: bytes, if: condition)
        }
    }

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try meters.count(.list) { () throws(StoreError) in try base.list(folder) }
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        try meters.count(.removeFolder) { () throws(StoreError) in try base.removeFolder(folder) }
    }

    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try meters.count(.lockExclusively) { () throws(StoreError) in
            try base.lockExclusively(holder: holder)
        }
    }

    public func capacity() throws(StoreError) -> StoreCapacity {
        try meters.count(.capacity) { () throws(StoreError) in try base.capacity() }
    }

    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try meters.count(.reserve) { () throws(StoreError) in
            try base.reserve(bytes, name: name)
        }
    }
}
