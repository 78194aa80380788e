import ChunkStore
import Synchronization

/// A store that has at most so many files open at a time.
final class FewFilesStore: ForwardingStore {
    let base: any ChunkStore
    private let most: Int
    private let counts: Counts

    final class Counts: Sendable {
        let open = Atomic<Int>(0)
        let refusals = Atomic<Int>(0)
    }

    init(_ base: any ChunkStore, most: Int) {
        self.base = base
        self.most = most
        counts = Counts()
    }

    var open: Int { counts.open.load(ordering: .relaxed) }
    var refusals: Int { counts.refusals.load(ordering: .relaxed) }

    private func opened(_ file: () throws(StoreError) -> any ChunkFile) throws(StoreError)
        -> any ChunkFile
    {
        if counts.open.wrappingAdd(1, ordering: .relaxed).oldValue >= most {
            counts.open.wrappingSubtract(1, ordering: .relaxed)
            counts.refusals.wrappingAdd(1, ordering: .relaxed)
            throw StoreError(.tooManyFiles, operation: "open a file", cause: "too many open files")
        }
        do throws(StoreError) {
            return CountedFile(try file(), counts)
        } catch {
            counts.open.wrappingSubtract(1, ordering: .relaxed)
            throw error
        }
    }

    func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try opened { () throws(StoreError) in
            try base.createFile(name, length: length, beginning: beginning)
        }
    }

    func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        try opened { () throws(StoreError) in
            try base.recycleFile(old, as: name, length: length, beginning: beginning, blank: blank)
        }
    }

    func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try opened { () throws(StoreError) in try base.openFile(name) }
    }
}

/// Counts as open until it is released, as a descriptor does.
private final class CountedFile: ChunkFile {
    private let base: any ChunkFile
    private let counts: FewFilesStore.Counts

    init(_ base: any ChunkFile, _ counts: FewFilesStore.Counts) {
        self.base = base
        self.counts = counts
    }

    deinit { counts.open.wrappingSubtract(1, ordering: .relaxed) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError)
        -> Int
    {
        try base.read(into: buffer, at: offset)
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try base.write(buffer, at: offset)
    }

    func synchronize() throws(StoreError) { try base.synchronize() }
    func dropCache() throws(StoreError) { try base.dropCache() }

    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        try base.deallocate(at: offset, length: length)
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) { try base.size() }
}
