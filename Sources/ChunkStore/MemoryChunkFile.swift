/// A handle on a file of a `MemoryStore`. Dead after a power cut of the store.
final class MemoryChunkFile: ChunkFile {
    private let store: MemoryStore
    private let number: UInt64
    private let name: ObjectName
    private let boot: Int

    init(store: MemoryStore, number: UInt64, name: ObjectName, boot: Int) {
        self.store = store
        self.number = number
        self.name = name
        self.boot = boot
    }

    deinit {
        store.contents.withLock { if $0.boot == boot { $0.closeHandle(number) } }
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        try update("read \(name)") { file, _ in file.read(into: buffer, at: offset) }
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        let operation = "write \(name)"
        try update(operation) { file, freePages throws(StoreError) in
            guard offset <= file.length, UInt64(buffer.count) <= file.length - offset else {
                throw io(operation, "offset \(offset) is outside the file")
            }
            guard file.holes(in: buffer.count, at: offset) <= freePages else {
                throw noSpace(operation)
            }
            file.write(buffer, at: offset)
        }
    }

    func synchronize() throws(StoreError) {
        try update("synchronize \(name)") { file, _ in file.synchronize() }
    }

    /// Nothing is cached here; the check that the handle lives is all there is to do.
    func dropCache() throws(StoreError) {
        try update("drop cache of \(name)") { _, _ in }
    }

    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        let givesBack = store.chunkKind == .appendable
        try update("deallocate in \(name)") { file, _ in
            guard offset < file.length else { return }
            let count = Int(min(length, file.length - offset))
            file.deallocate(count, at: offset, givingBack: givesBack)
        }
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        try update("size of \(name)") { file, _ in
            (file.length, file.allocatedPages * UInt64(MemoryPage.size))
        }
    }

    private func update<Result: Sendable>(
        _ operation: String,
        _ body: (inout MemoryFile, _ freePages: UInt64) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try store.contents.withLock { state throws(StoreError) in
            guard state.boot == boot else { throw io(operation, "opened before a power cut") }
            let freePages = state.freePages
            return try state.update(number, operation) { file throws(StoreError) in
                try body(&file, freePages)
            }
        }
    }
}
