/// Where the bytes of a chunk lie in the bucket. It is an object under the chunk's name: the chunk
/// is there when its index is, and what it holds changes with it in one step.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 8 | `SDCHUNK1` |
/// | 8 | 8 | length of the chunk in bytes |
/// | 16 | 4 | data objects: m |
/// | 20 | 4 | extents: n |
/// | 24 | 4 | bytes that lie in the index itself |
/// | 28 | 4 | 1: what no extent covers was dead when the chunk was put anew; else 0 |
/// | 32 | 16·m | data objects: number (8), random (8) |
/// | | 32·n | extents |
/// | | | bytes that lie in the index itself |
///
/// An extent: offset in the chunk (8), bytes (8), place of the data object in the list, or 2³²−1
/// for the index itself (4), zero (4), offset there (8).
///
/// Extents ascend and do not overlap; what none covers reads as zeros. Everything here is hostile
/// input until it was decoded, and says where to look, never what is authentic.
struct ChunkIndex: Equatable {
    struct DataObject: Hashable {
        let number: UInt64
        let random: UInt64
    }
    enum Source: Hashable {
        case inline
        case object(DataObject)
    }
    struct Extent: Equatable {
        var offset: UInt64
        var length: UInt64
        let source: Source
        /// Offset in the data object, or in `inline`.
        var at: UInt64

        var end: UInt64 { offset + length }
    }

    static let magic = Array("SDCHUNK1".utf8)
    static let headSize = 32
    static let extentLimit = 65_536
    /// Bytes of the largest index; more has to go into a data object.
    static let inlineLimit = 256 << 10
    static let sizeLimit = 8 << 20
    static let longestChunk: UInt64 = 8 << 30

    let length: UInt64
    var extents: [Extent] = []
    var inline: [UInt8] = []
    /// Whether what no extent covers was dead, and takes no space.
    var isCompacted = false

    init(length: UInt64) { self.length = length }

    /// Those that an extent lies in, in the order of their numbers.
    var objects: [DataObject] {
        var found: Set<DataObject> = []
        for extent in extents {
            if case .object(let object) = extent.source { found.insert(object) }
        }
        return found.sorted { ($0.number, $0.random) < ($1.number, $1.random) }
    }

    var storedBytes: UInt64 { extents.reduce(0) { $0 + $1.length } }

    /// The parts of a range of bytes that lie somewhere, ascending.
    func pieces(of range: Range<UInt64>) -> [Extent] {
        extents.compactMap { extent in
            let first = max(extent.offset, range.lowerBound)
            let end = min(extent.end, range.upperBound)
            guard first < end else { return nil }
            return Extent(
                offset: first, length: end - first, source: extent.source,
                at: extent.at + (first - extent.offset))
        }
    }

    /// Leaves nothing of a range.
    private mutating func cut(_ range: Range<UInt64>) {
        var left: [Extent] = []
        for extent in extents {
            if extent.end <= range.lowerBound || extent.offset >= range.upperBound {
                left.append(extent)
                continue
            }
            var before = extent
            if before.offset < range.lowerBound {
                before.length = range.lowerBound - before.offset
                left.append(before)
            }
            if extent.end > range.upperBound {
                var behind = extent
                behind.at += range.upperBound - extent.offset
                behind.length = extent.end - range.upperBound
                behind.offset = range.upperBound
                left.append(behind)
            }
        }
        extents = left
    }

    /// Puts a range somewhere else than it was.
    mutating func place(_ extent: Extent) {
        guard extent.length > 0 else { return }
        cut(extent.offset..<extent.end)
        let place = extents.firstIndex { $0.offset > extent.offset } ?? extents.endIndex
        extents.insert(extent, at: place)
        joinNeighbours(of: place)
    }

    private mutating func joinNeighbours(of place: Int) {
        for index in [place + 1, place] where index > 0 && index < extents.count {
            let (before, extent) = (extents[index - 1], extents[index])
            guard before.end == extent.offset, before.source == extent.source,
                before.at + before.length == extent.at
            else { continue }
            extents[index - 1].length += extent.length
            extents.remove(at: index)
        }
    }

    /// Puts bytes into the index itself, in place of whatever it said of them.
    mutating func place(inline bytes: UnsafeRawBufferPointer, at offset: UInt64) {
        let at = UInt64(inline.count)
        inline.append(contentsOf: bytes)
        place(Extent(offset: offset, length: UInt64(bytes.count), source: .inline, at: at))
    }

    /// Takes out of the index's own bytes what no extent means any more.
    mutating func packInline() {
        var packed: [UInt8] = []
        for index in extents.indices where extents[index].source == .inline {
            let extent = extents[index]
            extents[index].at = UInt64(packed.count)
            packed += inline[Int(extent.at)..<Int(extent.at + extent.length)]
        }
        inline = packed
        for index in extents.indices.reversed().dropLast() where index < extents.count {
            joinNeighbours(of: index)
        }
    }
}
