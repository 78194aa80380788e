import ChunkStore

/// An open chunk in a simulated pool. Of a write each piece's share is an order of its own, all of
/// them on their way at the same time.
final class PoolFile: ChunkFile, @unchecked Sendable {
    // @unchecked: constant.
    private let name: ObjectName
    private let chunk: Int
    private let length: Int
    private let store: PoolStore
    private let client: PoolClient
    private var pool: SimulatedPool { store.pool }

    init(
        _ name: ObjectName, _ chunk: Int, length: Int, of store: PoolStore, _ client: PoolClient
    ) {
        self.name = name
        self.chunk = chunk
        self.length = length
        self.store = store
        self.client = client
        store.opened(chunk)
    }

    deinit { store.closed(chunk, by: client) }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        guard offset < length else { return 0 }
        let range = Int(offset)..<min(length, Int(offset) + buffer.count)
        var place = 0
        for part in pool.contents.parts(of: range) {
            let piece = PoolContents.PieceName(chunk: chunk, number: part.number)
            let bytes = try client.read("read \(part.range) of \(piece.object), \(name)") {
                $0.read(part.range, of: piece)
            }
            UnsafeMutableRawBufferPointer(rebasing: buffer[place...]).copyBytes(from: bytes)
            place += bytes.count
        }
        return range.count
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try put([(Array(buffer), Int(offset))], "write \(name)")
    }

    func write(
        _ first: UnsafeRawBufferPointer, at offset: UInt64,
        with second: UnsafeRawBufferPointer, at secondOffset: UInt64
    ) throws(StoreError) {
        try put(
            [(Array(first), Int(offset)), (Array(second), Int(secondOffset))], "write \(name)")
    }

    func put(_ bytes: [UInt8], at offset: Int, _ call: String) throws(StoreError) {
        if !bytes.isEmpty { try put([(bytes, offset)], call) }
    }

    private func put(
        _ all: [(bytes: [UInt8], offset: Int)], _ call: String
    ) throws(StoreError) {
        var changes: [PoolChange] = []
        for (bytes, offset) in all {
            let range = offset..<offset + bytes.count
            guard range.upperBound <= length else {
                throw StoreError(.io, operation: call, cause: "\(range) is outside the file")
            }
            try client.checkAlive(call)
            try client.checkStanding(call)
            noteSeals(bytes, at: range)
            changes += shares(of: bytes, at: range)
        }
        if try client.change(call, changes) == .full { throw PoolStore.full(call) }
    }

    private func shares(of bytes: [UInt8], at range: Range<Int>) -> [PoolChange] {
        var place = 0
        return pool.contents.parts(of: range).map { part in
            let piece = PoolContents.PieceName(chunk: chunk, number: part.number)
            let share = Array(bytes[place..<place + part.range.count])
            place += part.range.count
            return PoolChange("write \(part.range) of \(piece.object)", of: piece.object) {
                $0.write(share, to: piece, at: part.range.lowerBound)
            }
        }
    }

    /// What was sent was sealed, whether or not it arrives.
    private func noteSeals(_ bytes: [UInt8], at range: Range<Int>) {
        pool.seals.note(range) { wanted in
            var found = self.pool.contents.read(wanted, ofChunk: self.chunk)
            let part = wanted.clamped(to: range)
            if !part.isEmpty {
                found.replaceSubrange(
                    part.lowerBound - wanted.lowerBound..<part.upperBound - wanted.lowerBound,
                    with: bytes[
                        part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound])
            }
            return found
        }
    }

    /// Asks nobody: what a write returned for is durable.
    func synchronize() throws(StoreError) { try client.checkStanding("synchronize \(name)") }

    func dropCache() throws(StoreError) { try synchronize() }

    /// Piece by piece. One that lies in the range goes.
    func deallocate(at offset: UInt64, length count: UInt64) throws(StoreError) {
        let call = "deallocate in \(name)"
        guard offset < length else { return }
        let range = Int(offset)..<min(length, Int(offset) + Int(min(count, UInt64(length))))
        for part in pool.contents.parts(of: range) {
            let piece = PoolContents.PieceName(chunk: chunk, number: part.number)
            let isWhole = part.range == whole(part.number)
            let change = PoolChange("zero \(part.range) of \(piece.object)", of: piece.object) {
                isWhole ? $0.removePiece(piece) : $0.zero(part.range, of: piece)
            }
            try client.change(call, [change])
        }
    }

    /// Every piece at its full length.
    func allocate(_ call: String) throws(StoreError) {
        let changes = pool.contents.parts(of: 0..<length).map { part in
            let piece = PoolContents.PieceName(chunk: chunk, number: part.number)
            return PoolChange("allocate \(piece.object)", of: piece.object) {
                $0.allocate(piece, length: part.range.count)
            }
        }
        if try client.change(call, changes) == .full { throw PoolStore.full(call) }
    }

    /// The bytes of a piece.
    private func whole(_ number: Int) -> Range<Int> {
        let size = pool.contents.pieceSize
        return 0..<min(size, length - number * size)
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        let allocated = try client.read("size of \(name)") {
            $0.allocated(self.chunk, length: self.length)
        }
        return (UInt64(length), UInt64(allocated))
    }
}
