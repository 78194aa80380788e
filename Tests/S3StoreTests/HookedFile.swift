import ChunkStore
import Synchronization

/// A file of the cache, of which a test sees each read before and after it.
final class HookedFile: ChunkFile {
    enum Moment { case before, after }
    private let base: any ChunkFile
    private let hook: @Sendable (Moment, UInt64) -> Void

    init(_ base: any ChunkFile, hook: @escaping @Sendable (Moment, UInt64) -> Void) {
        self.base = base
        self.hook = hook
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        hook(.before, offset)
        let count = try base.read(into: buffer, at: offset)
        hook(.after, offset)
        return count
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
