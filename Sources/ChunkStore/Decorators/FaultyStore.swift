import Synchronization

/// A store whose calls fail when told to. It breaks no more than the contract allows a real medium
/// to break: a call reports failure (`Fault`), with nothing, half or all of a write done. It never
/// alters what is stored, never loses what was synchronized, and never answers falsely otherwise.
///
/// It counts every call, also those that fail, and can record them in order.
public final class FaultyStore: ForwardingStore {
    private struct State {
        var faults: [Fault] = []
        var counts: [StoreOperation: Int] = [:]
        var record: [String]?
    }

    public let base: any ChunkStore
    private let state = Mutex(State())
    private let observer: (@Sendable (StoreOperation, String) -> Void)?

    /// `observer` sees each call before it happens, on the caller's thread and outside of any lock:
    /// the place for a test to copy the store, or to hold a call back.
    public init(
        _ base: any ChunkStore, observer: (@Sendable (StoreOperation, String) -> Void)? = nil
    ) {
        self.base = base
        self.observer = observer
    }

    /// Adds a fault; its call number counts from now.
    public func arm(_ fault: Fault) {
        state.withLock { $0.faults.append(fault) }
    }

    /// Takes back every fault.
    public func disarm() {
        state.withLock { $0.faults.removeAll() }
    }

    /// How many calls there were of the given kinds since the store was made.
    public func count(of operations: Set<StoreOperation>) -> Int {
        state.withLock { state in operations.reduce(0) { $0 + state.counts[$1, default: 0] } }
    }

    /// From now on every call is recorded as `operation name`; an earlier record is dropped.
    public func startRecording() {
        state.withLock { $0.record = [] }
    }

    /// The calls since `startRecording()`, in the order in which they began.
    public var recording: [String] {
        state.withLock { $0.record ?? [] }
    }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        if let fault = meet(.createFile, name.path) {
            if fault.effect == .whole, fault.mayLeaveFile {
                _ = try base.createFile(name, length: length, beginning: beginning)
            }
            throw error(fault, .createFile, name.path)
        }
        let file = try base.createFile(name, length: length, beginning: beginning)
        return FaultyFile(file, name: name.path, store: self)
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        func recycle() throws(StoreError) -> any ChunkFile {
            try base.recycleFile(old, as: name, length: length, beginning: beginning, blank: blank)
        }
        if let fault = meet(.recycleFile, name.path) {
            switch fault.effect {
            case .none: break
            case .half: try base.remove(old)
            case .whole: if fault.mayLeaveFile { _ = try recycle() } else { try base.remove(old) }
            }
            throw error(fault, .recycleFile, name.path)
        }
        return FaultyFile(try recycle(), name: name.path, store: self)
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try begin(.openFile, name.path)
        return FaultyFile(try base.openFile(name), name: name.path, store: self)
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        try perform(.remove, name.path) { () throws(StoreError) in try base.remove(name) }
    }

    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        try begin(.readObject, name.path)
        return try base.readVersioned(name, limit: limit)
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try perform(.replaceObject, name.path) { () throws(StoreError) in
            try base.replaceObject(name, with: bytes, if: condition)
        }
    }

    public func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try perform(.replaceObject, name.path) { () throws(StoreError) in
            try base.replaceSelfContainedObject(name, with: bytes, if: condition)
        }
    }

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try begin(.list, folder.path)
        return try base.list(folder)
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        try begin(.removeFolder, folder.path)
        try base.removeFolder(folder)
    }

    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try begin(.lockExclusively, "")
        return try base.lockExclusively(holder: holder)
    }

    public func capacity() throws(StoreError) -> StoreCapacity {
        try begin(.capacity, "")
        return try base.capacity()
    }

    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try begin(.reserve, name.path)
        return try base.reserve(bytes, name: name)
    }

    /// A call that fails cleanly or not at all.
    func begin(
        _ operation: StoreOperation, _ name: String, at range: Range<UInt64>? = nil
    ) throws(StoreError) {
        if let fault = meet(operation, name, at: range) { throw error(fault, operation, name) }
    }

    /// A call that may fail after it was done, or after the half of it was, where there is one.
    func perform<R>(
        _ operation: StoreOperation, _ name: String, half: () throws(StoreError) -> Void = {},
        _ whole: () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        guard let fault = meet(operation, name) else { return try whole() }
        switch fault.effect {
        case .none: break
        case .half: try half()
        case .whole: _ = try whole()
        }
        throw error(fault, operation, name)
    }

    private func meet(
        _ operation: StoreOperation, _ name: String, at range: Range<UInt64>? = nil
    ) -> Fault? {
        observer?(operation, name)
        return state.withLock { state in
            state.counts[operation, default: 0] += 1
            state.record?.append(name.isEmpty ? operation.rawValue : "\(operation) \(name)")
            var hit: Fault?
            state.faults = state.faults.compactMap { fault in
                var fault = fault
                let outcome = fault.meets(operation, name, at: range)
                if outcome.fails { hit = hit ?? fault }
                return outcome.isSpent ? nil : fault
            }
            return hit
        }
    }

    private func error(_ fault: Fault, _ operation: StoreOperation, _ name: String) -> StoreError {
        StoreError(
            fault.code, operation: name.isEmpty ? operation.rawValue : "\(operation) \(name)",
            cause: "injected fault")
    }
}

private final class FaultyFile: ChunkFile {
    private let base: any ChunkFile
    private let name: String
    private let store: FaultyStore

    init(_ base: any ChunkFile, name: String, store: FaultyStore) {
        self.base = base
        self.name = name
        self.store = store
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        // Beyond every end there is nothing, whatever the sum comes to.
        let end = max(offset, offset &+ UInt64(buffer.count))
        try store.begin(.read, name, at: offset..<end)
        return try base.read(into: buffer, at: offset)
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        let half = UnsafeRawBufferPointer(rebasing: buffer[..<(buffer.count / 2)])
        try store.perform(
            .write, name,
            half: { () throws(StoreError) in try base.write(half, at: offset) },
            { () throws(StoreError) in try base.write(buffer, at: offset) })
    }

    func synchronize() throws(StoreError) {
        try store.perform(.synchronize, name) { () throws(StoreError) in try base.synchronize() }
    }

    func dropCache() throws(StoreError) {
        try store.begin(.dropCache, name)
        try base.dropCache()
    }

    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        try store.perform(.deallocate, name) { () throws(StoreError) in
            try base.deallocate(at: offset, length: length)
        }
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        try store.begin(.size, name)
        return try base.size()
    }
}
