import Synchronization

/// The contract of `ChunkStore` kept in memory: what every other store is compared with, and the
/// medium of tests, which can cut its power, tamper with what it holds and fill it up.
///
/// Space is counted in 4 KiB pages as a file system would, but memory is taken only by pages that
/// were written: a preallocated file costs nothing. Files and objects share one namespace.
public final class MemoryStore: ChunkStore {
    /// All state behind one lock, so that a copy is one moment of the whole store.
    let contents: Mutex<MemoryContents>
    public let chunkKind: ChunkKind

    /// A store of `capacity` bytes (rounded down to pages); 1 TiB when nil. Of the two kinds of
    /// chunks it shows what a caller can see: whether deallocated space comes back.
    public init(capacity: UInt64? = nil, chunkKind: ChunkKind = .appendable) {
        let limit = (capacity ?? 1 << 40) / UInt64(MemoryPage.size)
        contents = Mutex(MemoryContents(limit: limit))
        self.chunkKind = chunkKind
    }

    init(contents: MemoryContents, chunkKind: ChunkKind) {
        self.contents = Mutex(contents)
        self.chunkKind = chunkKind
    }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        let operation = "create \(name)"
        return try contents.withLock { state throws(StoreError) in
            if state.node(name) != nil {
                throw StoreError(.alreadyExists, operation: operation, cause: "file exists")
            }
            let file = MemoryFile(length: length, beginning: beginning)
            let number = try state.insert(file, as: name, operation)
            return open(number, name, &state)
        }
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        let operation = "recycle \(old) as \(name)"
        return try contents.withLock { state throws(StoreError) in
            var file = try state.file(of: old, operation)
            guard file.length == length else {
                throw foreign(operation, "it has \(file.length) bytes, not \(length)")
            }
            if state.node(name) != nil {
                throw StoreError(.alreadyExists, operation: operation, cause: "file exists")
            }
            file.recycle(beginning: beginning, blank: Int(blank))
            try state.remove(old, operation)
            let number = try state.insert(file, as: name, operation)
            return open(number, name, &state)
        }
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try contents.withLock { state throws(StoreError) in
            open(try state.number(of: name, "open \(name)"), name, &state)
        }
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        try contents.withLock { state throws(StoreError) in
            try state.remove(name, "remove \(name)")
        }
    }

    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        let operation = "read \(name)"
        return try contents.withLock { state throws(StoreError) in
            let number = try state.number(of: name, operation)
            let file = try state.file(of: name, operation)
            guard file.length <= limit else {
                let cause = "\(file.length) bytes, more than the \(limit) it may have"
                throw StoreError(.tooLarge, operation: operation, cause: cause)
            }
            return VersionedObject(bytes: file.bytes, version: ObjectVersion(number: number))
        }
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        let operation = "replace \(name)"
        return try contents.withLock { state throws(StoreError) in
            try state.check(condition, of: name, operation)
            let number = try state.insert(MemoryFile(bytes: bytes), as: name, operation)
            return ObjectVersion(number: number)
        }
    }

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        let prefix = folder.path + "/"
        return try contents.withLock { state throws(StoreError) in
            try state.checkFolder(folder, "list \(folder)")
            return state.nodes.compactMap { path, node in
                guard path.hasPrefix(prefix) else { return nil }
                let name = path.dropFirst(prefix.count)
                return name.contains("/")
                    ? nil : StoreEntry(name: String(name), isFolder: node == .folder)
            }
        }
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        try contents.withLock { state throws(StoreError) in
            try state.checkFolder(folder, "remove \(folder)")
            state.removeFolder(folder)
        }
    }

    public func capacity() throws(StoreError) -> StoreCapacity {
        let size = UInt64(MemoryPage.size)
        return contents.withLock {
            StoreCapacity(total: $0.limit * size, available: $0.freePages * size)
        }
    }

    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        let operation = "reserve \(name)"
        return try contents.withLock { state throws(StoreError) in
            let held = state.node(name) == nil ? nil : try state.file(of: name, operation)
            if bytes == 0 {
                if held != nil { try state.remove(name, operation) }
                return 0
            }
            let pages = (held?.allocatedPages ?? 0) + state.freePages
            let granted = min(bytes, pages * UInt64(MemoryPage.size))
            _ = try state.insert(MemoryFile(length: granted), as: name, operation)
            return granted
        }
    }

    private func open(
        _ number: UInt64, _ name: ObjectName, _ state: inout MemoryContents
    ) -> any ChunkFile {
        state.files[number]?.handles += 1
        return MemoryChunkFile(store: self, number: number, name: name, boot: state.boot)
    }
}
