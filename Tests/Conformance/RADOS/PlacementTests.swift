import ChunkStore
import ServerFixtures
import Testing

@testable import RADOSStore

/// Where the bytes of a chunk lie whose shape is known.
@Suite("RADOSStore: placement")
struct PlacementTests {
    private static let head: UInt64 = 4096
    private static let record: UInt64 = 32
    private static let block: UInt64 = 4096
    private let shape: ChunkShape

    init() throws {
        shape = try #require(
            ChunkShape(head: Self.head, record: Self.record, block: Self.block))
    }

    private static func blocksOffset(_ slots: UInt64) -> UInt64 {
        head + (slots * record + block - 1) / block * block
    }

    private static func length(_ slots: UInt64) -> UInt64 {
        blocksOffset(slots) + slots * block
    }

    private func placement(_ slots: UInt64) -> Placement {
        Placement(id: Entry.newID(), length: Self.length(slots), shape: shape)
    }

    @Test func aShapeIsToldByTheLength() throws {
        let slots = UInt64(1)...3000
        for count in slots {
            #expect(
                shape.blocksOffset(inChunkOf: Self.length(count)) == Self.blocksOffset(count))
            #expect(placement(count).shape == shape)
        }
        let known = Set(slots.map(Self.length))
        for blocks in 0..<3000 {
            let length = UInt64(blocks) * Self.block
            #expect((shape.blocksOffset(inChunkOf: length) != nil) == known.contains(length))
            #expect(shape.blocksOffset(inChunkOf: length + 1) == nil)
        }
        #expect(Placement(id: Entry.newID(), length: 9 << 20 + 1, shape: shape).shape == nil)
    }

    @Test func sizesThatDoNotFitEachOtherAreNoShape() {
        for (head, record, block) in [
            (4096, 0, 4096), (4096, 8192, 4096), (4096, 48, 4096), (100, 32, 4096),
            (4096, 32, 3 << 12), (8 << 20, 32, 4096), (8 << 20, 32, 8 << 20), (4096, 1, 4096),
        ] {
            #expect(
                ChunkShape(head: UInt64(head), record: UInt64(record), block: UInt64(block)) == nil)
        }
    }

    /// Every block of the chunk has a place that no other has, and each record lies with its block.
    @Test(arguments: [8, 1023, 1024, 1025, 3000, 8192] as [UInt64])
    func recordsLieWithTheirBlocks(slots: UInt64) throws {
        let placement = placement(slots)
        var places = Set<String>()
        for start in stride(from: 0, to: placement.length, by: Int(Self.block)) {
            let parts = placement.parts(of: start..<start + Self.block)
            #expect(parts.count == 1)
            let part = try #require(parts.first)
            #expect(part.position == start && part.start == 0 && part.count == Int(Self.block))
            #expect(places.insert("\(part.object) \(part.offset)").inserted)
            #expect(part.offset + Self.block <= placement.size(ofPiece: part.piece))
        }
        for slot in stride(from: 0, to: slots, by: 31) {
            let record = Self.head + slot * Self.record
            let block = Self.blocksOffset(slots) + slot * Self.block
            let one = try #require(placement.parts(of: record..<record + Self.record).first)
            let other = try #require(placement.parts(of: block..<block + Self.block).first)
            #expect(one.object == other.object)
        }
        #expect(placement.pieceCount == (slots + 1023) / 1024)
        // All of it once, by range and by piece.
        let whole = placement.parts(of: 0..<placement.length)
        #expect(whole.reduce(0) { $0 + $1.count } == Int(placement.length))
        let pieces = (0..<placement.pieceCount).flatMap(placement.parts(ofPiece:))
        #expect(pieces.reduce(0) { $0 + $1.count } == Int(placement.length))
        #expect(pieces.allSatisfy { $0.object == placement.object($0.piece) })
    }

    @Test func aRangeIsCutWhereItsPiecesEnd() {
        let placement = placement(3000)
        let blocks = Self.blocksOffset(3000)
        // The end of the table and the first blocks; the end of one piece and the next.
        let parts = placement.parts(of: blocks - 100..<blocks + Pieces.size + 10)
        #expect(parts.map(\.piece) == [2, 0, 1])
        #expect(parts.map(\.start) == [0, 100, 100 + Int(Pieces.size)])
        #expect(parts.map(\.count) == [100, Int(Pieces.size), 10])
        #expect(placement.parts(of: 5..<5).isEmpty)
    }

    @Test func anEntryTellsItsShape() throws {
        for placement in [placement(3000), Placement(id: Entry.newID(), length: 12345)] {
            let entry = Entry.chunk(placement)
            #expect(Entry(entry.encoded) == entry)
        }
        let id = Entry.newID()
        let length = Self.length(3000)
        #expect(
            Entry.chunk(Placement(id: id, length: length, shape: shape)).encoded
                == Array("chunk \(length):4096:32:4096 \(id)".utf8))
        for wrong in [
            "chunk \(length):4096:32 \(id)", "chunk \(length):4096:48:4096 \(id)",
            "chunk \(length + 1):4096:32:4096 \(id)", "chunk :4096:32:4096 \(id)",
            "chunk \(length):4096:32:4096:1 \(id)", "object \(length):4096:32:4096 \(id)",
        ] {
            #expect(Entry(Array(wrong.utf8)) == nil, "\(wrong)")
        }
    }

    /// What is written together goes as one order where it lies in one piece.
    @Test func ofOnePieceThereIsOneGroup() {
        let parts = ["a", "b", "a", "c", "b"].enumerated().map { number, object in
            GroupedWrites.Part(
                object: object, offset: UInt64(number),
                bytes: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        let groups = GroupedWrites.byObject(parts).map { $0.map(\.offset) }
        #expect(groups == [[0, 2], [1, 4], [3]])
    }

    /// Against a cluster: what was written anywhere is read by whoever opens the chunk, also who
    /// knows of no shape; what was deallocated is zeros and gives its space back.
    @Test func aShapedChunkHoldsWhatWasWritten() throws {
        var place = try CephCluster.shared.get().place()
        place.chunkShape = shape
        let store = try RADOSStore(place)
        let slots: UInt64 = 2500
        let length = Self.length(slots)
        let name = try name("a/chunk")
        var expected = [UInt8](repeating: 0, count: Int(length))
        let beginning = [UInt8](repeating: 9, count: 4096)
        expected.replaceSubrange(0..<4096, with: beginning)
        let file = try store.createFile(name, length: length, beginning: beginning)
        #expect(try file.size() == (length, length))
        var random = SystemRandomNumberGenerator()
        for round in 0..<60 {
            let slot = UInt64.random(in: 0..<slots, using: &random)
            let record = Int(Self.head + slot * Self.record)
            let block = Int(Self.blocksOffset(slots) + slot * Self.block)
            let byte = UInt8(round + 1)
            let (one, other) = (
                [UInt8](repeating: byte, count: 32), [UInt8](repeating: byte, count: 4096)
            )
            try one.withUnsafeBytes { one in
                try other.withUnsafeBytes { other in
                    try file.write(one, at: UInt64(record), with: other, at: UInt64(block))
                }
            }
            expected.replaceSubrange(record..<record + 32, with: one)
            expected.replaceSubrange(block..<block + 4096, with: other)
        }
        // Across the seams, in one call.
        for middle in [Self.blocksOffset(slots), Self.blocksOffset(slots) + Pieces.size] {
            let start = Int(middle) - 70_000 > 0 ? Int(middle) - 70_000 : 4096
            let bytes = (0..<140_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
            try file.write(bytes, at: UInt64(start))
            expected.replaceSubrange(start..<start + bytes.count, with: bytes)
        }
        var plain = place
        plain.chunkShape = nil
        let other = try RADOSStore(plain).openFile(name)
        #expect(try other.bytes(Int(length)) == expected)
        // All blocks of a piece, and some of the next.
        let hole = Self.blocksOffset(slots)..<Self.blocksOffset(slots) + Pieces.size + 40_960
        try file.deallocate(at: hole.lowerBound, length: UInt64(hole.count))
        expected.replaceSubrange(
            Int(hole.lowerBound)..<Int(hole.upperBound),
            with: [UInt8](repeating: 0, count: hole.count))
        #expect(try file.bytes(Int(length)) == expected)
        #expect(try file.size() == (length, length - UInt64(hole.count)))
        // The piece that has no blocks any more is as short as its share of the table.
        let placement = try #require(try store.folders.find(name, "find")?.entry.placement)
        let pieces = Pieces(session: store.session, placement)
        #expect(try pieces.sizes("sizes").contains(where: hole.overlaps))
        #expect(
            try !pieces.sizes("sizes").contains { $0.contains(Self.blocksOffset(slots)) })
        // Written again.
        try file.write([7], at: Self.blocksOffset(slots) + 5)
        #expect(try file.bytes(7, at: Self.blocksOffset(slots)) == [0, 0, 0, 0, 0, 7, 0])
        try store.remove(name)
    }
}
