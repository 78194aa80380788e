/// Which objects of the pool a chunk's bytes lie in, or those of a large object: its *pieces*,
/// which have `Pieces.size` bytes each of what there is most of, the last one fewer.
///
/// Plain bytes lie one piece after the other. A chunk of a known shape has in each piece first its
/// share of the table and then the blocks that belong to that; in front of these is room for the
/// head, which the first piece has.
struct Placement: Hashable {
    /// Drawn for these bytes, and never used again.
    let id: String
    let length: UInt64
    /// Invariant: a chunk of this shape may be as long.
    let shape: ChunkShape?

    /// Without its shape if none of that is so long.
    init(id: String, length: UInt64, shape: ChunkShape? = nil) {
        self.id = id
        self.length = length
        self.shape = shape?.blocksOffset(inChunkOf: length) == nil ? nil : shape
    }

    /// Bytes of which each piece has `unit`, at `offset`.
    private struct Region {
        let range: Range<UInt64>
        let unit: UInt64
        let offset: UInt64
    }

    /// In order; all bytes are in one of them.
    private var regions: [Region] {
        guard let shape, let blocks = shape.blocksOffset(inChunkOf: length) else {
            return [Region(range: 0..<length, unit: Pieces.size, offset: 0)]
        }
        return [
            Region(range: 0..<shape.head, unit: shape.head, offset: 0),
            Region(range: shape.head..<blocks, unit: shape.tableOfPiece, offset: shape.head),
            Region(
                range: blocks..<length, unit: Pieces.size, offset: shape.head + shape.tableOfPiece),
        ].filter { !$0.range.isEmpty }
    }

    var pieceCount: UInt64 {
        regions.map { (UInt64($0.range.count) + $0.unit - 1) / $0.unit }.max() ?? 0
    }

    func object(_ number: UInt64) -> String { "c/\(id)/\(number)" }

    /// One piece's share of a range.
    struct Part: Equatable {
        let piece: UInt64
        let object: String
        /// Within the piece, within the bytes, and within the range.
        let offset: UInt64
        let position: UInt64
        let start: Int
        let count: Int
    }

    /// In the order of the bytes.
    func parts(of range: Range<UInt64>) -> [Part] {
        var parts: [Part] = []
        for region in regions {
            let wanted = range.clamped(to: region.range)
            var position = wanted.lowerBound
            while position < wanted.upperBound {
                let (number, within) = (position - region.range.lowerBound)
                    .quotientAndRemainder(dividingBy: region.unit)
                let end = min(wanted.upperBound, position - within + region.unit)
                parts.append(
                    Part(
                        piece: number, object: object(number), offset: region.offset + within,
                        position: position, start: Int(position - range.lowerBound),
                        count: Int(end - position)))
                position = end
            }
        }
        return parts
    }

    /// What of the bytes a piece has.
    func parts(ofPiece number: UInt64) -> [Part] {
        regions.flatMap { region -> [Part] in
            let start = region.range.lowerBound + number * region.unit
            guard start < region.range.upperBound else { return [] }
            return parts(of: start..<min(start + region.unit, region.range.upperBound))
        }
    }

    /// How long a piece is.
    func size(ofPiece number: UInt64) -> UInt64 {
        parts(ofPiece: number).map { $0.offset + UInt64($0.count) }.max() ?? 0
    }
}

/// As text: the length, and the sizes of the shape if it has one, `LENGTH:HEAD:RECORD:BLOCK`.
extension Placement {
    /// No more than the program ever makes: what says so is not one of ours.
    private static let longest: UInt64 = 1 << 40

    var text: String {
        shape.map { "\(length):\($0.head):\($0.record):\($0.block)" } ?? "\(length)"
    }

    /// nil if no store has written this.
    init?(id: some StringProtocol, text: some StringProtocol) {
        let isHexadecimal = id.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
        let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map {
            UInt64($0)
        }
        guard id.utf8.count == 32, isHexadecimal, let length = numbers.first ?? nil,
            length <= Self.longest
        else { return nil }
        if numbers.count == 1 {
            self.init(id: String(id), length: length)
            return
        }
        guard numbers.count == 4, let head = numbers[1], let record = numbers[2],
            let block = numbers[3],
            let shape = ChunkShape(head: head, record: record, block: block)
        else { return nil }
        self.init(id: String(id), length: length, shape: shape)
        guard self.shape != nil else { return nil }
    }
}
