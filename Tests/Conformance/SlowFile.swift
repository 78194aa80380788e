import ChunkStore
import Synchronization

/// A file of which each read waits for the medium, and the first so many are refused then; it
/// counts reads, and what is fetched ahead.
final class SlowFile: ChunkFile {
    private let base: any ChunkFile
    private let refusals: Int
    let reads = Atomic<Int>(0)
    let hints = Mutex<[String]>([])

    init(_ base: any ChunkFile, refusals: Int = 0) {
        self.base = base
        self.refusals = refusals
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        try read(into: buffer, at: offset) {}
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        beforeWaiting()
        if reads.add(1, ordering: .relaxed).newValue <= refusals {
            throw StoreError(.busy, operation: "read", cause: "later")
        }
        return try base.read(into: buffer, at: offset)
    }

    func prefetch(at offset: UInt64, length: UInt64) {
        hints.withLock { $0.append("prefetch \(offset) \(length)") }
    }

    func forget(at offset: UInt64, length: UInt64) {
        hints.withLock { $0.append("forget \(offset) \(length)") }
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
