/// A store whose calls are made again when they failed for a reason that passes: after `.busy`
/// each of them, after `.unanswered` those that may be done twice.
///
/// Invariants:
/// - No call reports as a failure what an earlier attempt of it did, and none is done twice where
///   that makes a difference.
/// - A call is made `RetryPolicy.attempts` times at most, and none begins after its patience ended.
/// - Nothing is locked while a thread waits; calls of other threads go on.
///
/// After `.unanswered` an attempt was done or never will be (the contract of that code), so an
/// earlier attempt cannot overtake a later call.
public struct RetryingStore: ForwardingStore {
    public let base: any ChunkStore
    private let retrying: Retrying

    /// `random` spreads the waits; nothing secret depends on it.
    public init(
        _ base: any ChunkStore, policy: RetryPolicy, time: any StoreTime,
        random: @escaping @Sendable () -> UInt64
    ) {
        self.base = base
        retrying = Retrying(policy: policy, time: time, random: random)
    }

    /// Once refused: a file that an unanswered attempt made would be told as another's.
    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try file { () throws(StoreError) in
            try base.createFile(name, length: length, beginning: beginning)
        }
    }

    /// Once refused: after an attempt that did it `old` is gone, and would be told as lost.
    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try file { () throws(StoreError) in
            try base.recycleFile(old, as: name, length: length, beginning: beginning, blank: blank)
        }
    }

    private func file(
        _ make: () throws(StoreError) -> any ChunkFile
    ) throws(StoreError) -> any ChunkFile {
        let file = try retrying.call(.onceRefused) { _ throws(StoreError) in try make() }
        return RetryingFile(file, retrying: retrying)
    }

    /// Always: it changes nothing.
    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        let file = try retrying.call(.always) { _ throws(StoreError) in try base.openFile(name) }
        return RetryingFile(file, retrying: retrying)
    }

    /// Always: who removes a name wants it gone, and gives it to nothing else before this returns.
    /// That it is not there after an attempt that was not answered is success, though it may never
    /// have been there.
    public func remove(_ name: ObjectName) throws(StoreError) {
        try retrying.call(.always) { mayBeDone throws(StoreError) in
            do throws(StoreError) {
                try base.remove(name)
            } catch {
                if !mayBeDone || error.code != .notFound { throw error }
            }
        }
    }

    /// Always: it changes nothing.
    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        try retrying.call(.always) { _ throws(StoreError) in
            try base.readVersioned(name, limit: limit)
        }
    }

    /// Without a condition always: twice the same bytes are the same object. On a condition once
    /// refused: an attempt that did it has made the condition false, and its own work would be told
    /// as another's; the caller has to look.
    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try retrying.call(condition == .always ? .always : .onceRefused) { _ throws(StoreError) in
            try base.replaceObject(name, with: bytes, if: condition)
        }
    }

    /// As `replaceObject`.
    public func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try retrying.call(condition == .always ? .always : .onceRefused) { _ throws(StoreError) in
            try base.replaceSelfContainedObject(name, with: bytes, if: condition)
        }
    }

    /// Always: it changes nothing.
    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try retrying.call(.always) { _ throws(StoreError) in try base.list(folder) }
    }

    /// Always: a folder that is gone is no error, and nobody makes one of that name meanwhile.
    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        try retrying.call(.always) { _ throws(StoreError) in try base.removeFolder(folder) }
    }

    /// Once refused: a lock that an unanswered attempt took would be told as another's.
    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try retrying.call(.onceRefused) { _ throws(StoreError) in
            try base.lockExclusively(holder: holder)
        }
    }

    /// Always: it changes nothing.
    public func capacity() throws(StoreError) -> StoreCapacity {
        try retrying.call(.always) { _ throws(StoreError) in try base.capacity() }
    }

    /// Always: it says how much is to stand aside, not how much more.
    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try retrying.call(.always) { _ throws(StoreError) in
            try base.reserve(bytes, name: name)
        }
    }
}
