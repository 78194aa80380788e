/// A chunk of a `MeteredStore`, with that store's invariants.
final class MeteredFile: ChunkFile {
    private let base: any ChunkFile
    private let meters: CallMeters

    init(_ base: any ChunkFile, meters: CallMeters) {
        self.base = base
        self.meters = meters
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        try meters.count(.read, bytesOf: \.self) { () throws(StoreError) in
            try base.read(into: buffer, at: offset)
        }
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        try meters.count(.read, bytesOf: \.self) { () throws(StoreError) in
            try base.read(into: buffer, at: offset, beforeWaiting: beforeWaiting)
        }
    }

    func prefetch(at offset: UInt64, length: UInt64) { base.prefetch(at: offset, length: length) }
    var readUnit: UInt64 { base.readUnit }
    func forget(at offset: UInt64, length: UInt64) { base.forget(at: offset, length: length) }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try meters.count(.write, bytes: buffer.count) { () throws(StoreError) in
            try base.write(buffer, at: offset)
        }
    }

    func write(
        _ first: UnsafeRawBufferPointer, at offset: UInt64,
        with second: UnsafeRawBufferPointer, at secondOffset: UInt64
    ) throws(StoreError) {
        try meters.count(.write, bytes: first.count + second.count) { () throws(StoreError) in
            try base.write(first, at: offset, with: second, at: secondOffset)
        }
    }

    func synchronize() throws(StoreError) {
        try meters.count(.synchronize) { () throws(StoreError) in try base.synchronize() }
    }

    func dropCache() throws(StoreError) {
        try meters.count(.dropCache) { () throws(StoreError) in try base.dropCache() }
    }

    func deallocate(at offset: UInt64, length: UInt64) throws(StoreError) {
        try meters.count(.deallocate) { () throws(StoreError) in
            try base.deallocate(at: offset, length: length)
        }
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        try meters.count(.size) { () throws(StoreError) in try base.size() }
    }
}
