import Testing

@testable import S3Store

@Suite("S3: indexes of chunks")
struct ChunkIndexTests {
    private static let first = ChunkIndex.DataObject(number: 1, random: 7)
    private static let second = ChunkIndex.DataObject(number: 2, random: 9)

    private func extent(
        _ offset: UInt64, _ length: UInt64, _ object: ChunkIndex.DataObject, at: UInt64 = 0
    ) -> ChunkIndex.Extent {
        .init(offset: offset, length: length, source: .object(object), at: at)
    }

    @Test func whatIsPlacedLaterStandsInFront() {
        var index = ChunkIndex(length: 100)
        index.place(extent(0, 100, Self.first))
        index.place(extent(40, 20, Self.second))
        #expect(
            index.extents == [
                extent(0, 40, Self.first), extent(40, 20, Self.second),
                extent(60, 40, Self.first, at: 60),
            ])
        #expect(index.objects == [Self.first, Self.second])
        #expect(
            index.pieces(of: 30..<45) == [
                extent(30, 10, Self.first, at: 30), extent(40, 5, Self.second),
            ])
        index.place(extent(0, 100, Self.second))
        #expect(index.objects == [Self.second])
        #expect(index.storedBytes == 100)
    }

    @Test func neighboursOfOneObjectAreJoined() {
        var index = ChunkIndex(length: 100)
        index.place(extent(10, 10, Self.first, at: 0))
        index.place(extent(20, 10, Self.first, at: 10))
        index.place(extent(0, 10, Self.first, at: 50))
        #expect(index.extents.count == 2)
        #expect(index.pieces(of: 10..<30) == [extent(10, 20, Self.first)])
    }

    @Test func bytesInTheIndexArePacked() throws {
        var index = ChunkIndex(length: 100)
        for (value, offset) in [(1, 0), (2, 10), (3, 5)] as [(UInt8, UInt64)] {
            let bytes = [UInt8](repeating: value, count: 10)
            bytes.withUnsafeBytes { index.place(inline: $0, at: offset) }
        }
        index.packInline()
        #expect(
            index.inline == [1, 1, 1, 1, 1] + [UInt8](repeating: 3, count: 10) + [2, 2, 2, 2, 2])
        #expect(index.extents.map(\.offset) == [0])
        #expect(ChunkIndex(decoding: index.encoded()) == index)
    }

    @Test func bytesAreReadAsTheyWereWritten() throws {
        var index = ChunkIndex(length: 1 << 25)
        index.place(extent(0, 1 << 25, Self.first))
        index.place(extent(4096, 4096, Self.second, at: 8192))
        ([5, 6] as [UInt8]).withUnsafeBytes { index.place(inline: $0, at: 12_288) }
        index.isCompacted = true
        let bytes = index.encoded()
        #expect(ChunkIndex(decoding: bytes) == index)
        for count in 0..<bytes.count {
            #expect(ChunkIndex(decoding: Array(bytes[..<count])) == nil)
        }
    }

    /// What was changed is refused, or is an index in bounds.
    @Test func hostileBytesStayInBounds() throws {
        var index = ChunkIndex(length: 1 << 20)
        index.place(extent(0, 1 << 19, Self.first))
        index.place(extent(1 << 19, 1 << 10, Self.second))
        ([1, 2, 3] as [UInt8]).withUnsafeBytes { index.place(inline: $0, at: 1000) }
        let bytes = index.encoded()
        for position in bytes.indices {
            for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
                var changed = bytes
                changed[position] = value
                guard let read = ChunkIndex(decoding: changed) else { continue }
                var end: UInt64 = 0
                for extent in read.extents {
                    #expect(extent.offset >= end)
                    end = extent.end
                    if extent.source == .inline {
                        #expect(extent.at + extent.length <= UInt64(read.inline.count))
                    }
                }
                #expect(end <= read.length)
            }
        }
    }
}
