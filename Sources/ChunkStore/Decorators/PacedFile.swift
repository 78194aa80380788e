/// A chunk of a `PacedStore`, with that store's invariants.
final class PacedFile: ChunkFile {
    private let base: any ChunkFile
    private let pacer: Pacer

    init(_ base: any ChunkFile, pacer: Pacer) {
        self.base = base
        self.pacer = pacer
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        pacer.begin(bytes: buffer.count)
        return try base.read(into: buffer, at: offset)
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        pacer.begin(bytes: buffer.count)
        return try base.read(into: buffer, at: offset, beforeWaiting: beforeWaiting)
    }

    func prefetch(at offset: UInt64, length: UInt64) {
        if pacer.mayHint(bytes: length) { base.prefetch(at: offset, length: length) }
    }

    var readUnit: UInt64 { base.readUnit }

    func forget(at offset: UInt64, length: UInt64) { base.forget(at: offset, length: length) }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        pacer.begin(bytes: buffer.count)
        try base.write(buffer, at: offset)
    }

    func write(
        _ first: UnsafeRawBufferPointer, at offset: UInt64,
        with second: UnsafeRawBufferPointer, at secondOffset: UInt64
    ) throws(StoreError) {
        pacer.begin(bytes: first.count + second.count)
        try base.write(first, at: offset, with: second, at: secondOffset)
    }

    func synchronize() throws(StoreError) {
        pacer.begin()
        try base.synchronize()
    }

    func dropCache() throws(StoreError) {
        pacer.begin()
        try base.dropCache()
    }

    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        pacer.begin()
        try base.deallocate(at: offset, length: length)
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        pacer.begin()
        return try base.size()
    }
}
