/// A chunk of a `RetryingStore`, with that store's invariants.
final class RetryingFile: ChunkFile {
    private let base: any ChunkFile
    private let retrying: Retrying

    init(_ base: any ChunkFile, retrying: Retrying) {
        self.base = base
        self.retrying = retrying
    }

    /// Always: it changes nothing.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        try retrying.call(.always) { _ throws(StoreError) in
            try base.read(into: buffer, at: offset)
        }
    }

    /// Always, and only one attempt of them tells of waiting.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        var hasTold = false
        return try retrying.call(.always) { _ throws(StoreError) in
            try base.read(into: buffer, at: offset) {
                if !hasTold { beforeWaiting() }
                hasTold = true
            }
        }
    }

    func prefetch(at offset: UInt64, length: UInt64) { base.prefetch(at: offset, length: length) }
    var readUnit: UInt64 { base.readUnit }
    func forget(at offset: UInt64, length: UInt64) { base.forget(at: offset, length: length) }

    /// Always: the same bytes to the same place, to which nobody else writes meanwhile.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try retrying.call(.always) { _ throws(StoreError) in
            try base.write(buffer, at: offset)
        }
    }

    /// Always, as one.
    func write(
        _ first: UnsafeRawBufferPointer, at offset: UInt64,
        with second: UnsafeRawBufferPointer, at secondOffset: UInt64
    ) throws(StoreError) {
        try retrying.call(.always) { _ throws(StoreError) in
            try base.write(first, at: offset, with: second, at: secondOffset)
        }
    }

    /// Once refused: after any other failure a success says nothing of the writes before it.
    func synchronize() throws(StoreError) {
        try retrying.call(.onceRefused) { _ throws(StoreError) in try base.synchronize() }
    }

    /// Once refused, as `synchronize`: it writes out.
    func dropCache() throws(StoreError) {
        try retrying.call(.onceRefused) { _ throws(StoreError) in try base.dropCache() }
    }

    /// Always: twice zeros are zeros.
    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        try retrying.call(.always) { _ throws(StoreError) in
            try base.deallocate(at: offset, length: length)
        }
    }

    /// Always: it changes nothing.
    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        try retrying.call(.always) { _ throws(StoreError) in try base.size() }
    }
}
