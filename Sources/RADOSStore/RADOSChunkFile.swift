import ChunkStore

/// An open chunk. Calls on disjoint ranges run at once: each is a request of its own.
final class RADOSChunkFile: ChunkFile {
    private let content: Content
    private let name: ObjectName
    private let store: RADOSStore

    init(_ content: Content, name: ObjectName, of store: RADOSStore) {
        self.content = content
        self.name = name
        self.store = store
    }

    /// Where it begins; for tests, which go past this type.
    var firstObject: String { content.pieces.parts(of: 0..<1).first?.object ?? "" }
    private var length: UInt64 { content.pieces.length }
    private var session: Session { content.pieces.session }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        try read(into: buffer, at: offset, beforeWaiting: {})
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        guard offset < length else { return 0 }
        let count = Int(min(UInt64(buffer.count), length - offset))
        try content.read(
            into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset,
            "read \(name)", beforeWaiting: beforeWaiting)
        return count
    }

    func prefetch(at offset: UInt64, length count: UInt64) {
        if let range = range(offset, count) { content.prefetch(range) }
    }

    func forget(at offset: UInt64, length count: UInt64) {
        if let range = range(offset, count) { content.forget(range) }
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try write([Content.Placed(bytes: buffer, offset: offset)])
    }

    /// Both at the same time.
    func write(
        _ first: UnsafeRawBufferPointer, at offset: UInt64,
        with second: UnsafeRawBufferPointer, at secondOffset: UInt64
    ) throws(StoreError) {
        try write([
            Content.Placed(bytes: first, offset: offset),
            Content.Placed(bytes: second, offset: secondOffset),
        ])
    }

    private func write(_ placed: [Content.Placed]) throws(StoreError) {
        let operation = "write \(name)"
        try store.checkWritable(operation)
        for each in placed {
            guard each.offset <= length, UInt64(each.bytes.count) <= length - each.offset else {
                throw StoreError(
                    .io, operation: operation, cause: "offset \(each.offset) is outside the file")
            }
        }
        try content.write(placed, operation)
    }

    /// What a write returned for is on every host that keeps it. Whether the store is still ours is
    /// what can have changed.
    func synchronize() throws(StoreError) {
        try session.checkStanding("synchronize \(name)")
    }

    func dropCache() throws(StoreError) {
        try synchronize()
        content.forget(0..<length)
    }

    func deallocate(at offset: UInt64, length count: UInt64) throws(StoreError) {
        let operation = "deallocate in \(name)"
        try store.checkWritable(operation)
        if let range = range(offset, count) { try content.deallocate(range, operation) }
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        (length, try content.allocated("size of \(name)"))
    }

    /// What of a range lies within the file; nil if nothing does.
    private func range(_ offset: UInt64, _ count: UInt64) -> Range<UInt64>? {
        guard offset < length, count > 0 else { return nil }
        return offset..<(offset + min(count, length - offset))
    }
}
