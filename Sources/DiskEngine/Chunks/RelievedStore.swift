import ChunkStore

/// A store whose calls find room when the process has as many files open as it may: chunks that
/// are open and idle give up theirs, and the call is made again.
struct RelievedStore: ForwardingStore {
    let base: any ChunkStore
    private let budget: ChunkBudget

    init(_ base: any ChunkStore, budget: ChunkBudget) {
        self.base = base
        self.budget = budget
    }

    private func relieved<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
        try budget.relieving(when: { $0.code == .tooManyFiles }, body)
    }

    func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try relieved { () throws(StoreError) in
            try base.createFile(name, length: length, beginning: beginning)
        }
    }

    func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try relieved { () throws(StoreError) in
            try base.recycleFile(old, as: name, length: length, beginning: beginning, blank: blank)
        }
    }

    func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try relieved { () throws(StoreError) in try base.openFile(name) }
    }

    func remove(_ name: ObjectName) throws(StoreError) {
        try relieved { () throws(StoreError) in try base.remove(name) }
    }

    func readVersioned(_ name: ObjectName, limit: Int) throws(StoreError) -> VersionedObject {
        try relieved { () throws(StoreError) in try base.readVersioned(name, limit: limit) }
    }

    func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try relieved { () throws(StoreError) in
            try base.replaceObject(name, with: bytes, if: condition)
        }
    }

    func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try relieved { () throws(StoreError) in
            try base.replaceSelfContainedObject(name, with: bytes, if: condition)
        }
    }

    func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try relieved { () throws(StoreError) in try base.list(folder) }
    }

    func removeFolder(_ folder: ObjectName) throws(StoreError) {
        try relieved { () throws(StoreError) in try base.removeFolder(folder) }
    }

    func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        try relieved { () throws(StoreError) in try base.lockExclusively(holder: holder) }
    }

    func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        try relieved { () throws(StoreError) in try base.reserve(bytes, name: name) }
    }
}
