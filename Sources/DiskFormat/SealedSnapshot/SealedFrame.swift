import CryptoPrimitives

/// What a sealed snapshot says of some blocks.
public enum SealedItem: Hashable, Sendable {
    /// A block whose body is in the frame.
    case data(BlockNumber)
    /// Blocks that are holes, though the base has data there; in incremental ones only.
    case hole(Range<BlockNumber>)

    public var blocks: Range<BlockNumber> {
        switch self {
        case .data(let block): block..<block + 1
        case .hole(let range): range
        }
    }

    var hasBody: Bool { if case .data = self { true } else { false } }

    /// In a slot's descriptor, of which no slot is known durable.
    var descriptor: SlotDescriptor {
        switch self {
        case .data(let block): .data(block, durableSlots: 0)
        case .hole(let range): .discard(range, durableSlots: 0)
        }
    }

    /// nil if the descriptor is of something else.
    init?(_ descriptor: SlotDescriptor) {
        switch descriptor.kind {
        case .data: self = .data(descriptor.index)
        case .discard: self = .hole(descriptor.index..<descriptor.index + descriptor.length)
        default: return nil
        }
        guard self.descriptor == descriptor else { return nil }
    }
}

/// The public end of a frame's index page, behind the room of 126 entries of 32 bytes:
///
/// ```
/// 4032  8  frame number
/// 4040  2  items    4042  2  bodies
/// 4044  2  flags: bit 0 last frame    4046  2  zero
/// 4048 16  tag of the 16 bytes before it, under the sealed snapshot's key
/// 4064 32  SHA-256 over the index page's first 4064 bytes ‖ the bodies
/// ```
/// The hash lets anyone check a frame; only the key tells who made it.
public struct SealedFrameFields: Hashable, Sendable {
    static let offset = SealedGeometry.itemsPerFrame * Format.entrySize
    static let tagOffset = offset + 16
    static let hashOffset = tagOffset + AESGCMKey.tagLength

    public let number: FrameNumber
    public let items: Int
    public let bodies: Int
    public let isLast: Bool

    /// Bytes of the frame, index page and bodies.
    public var frameSize: Int { (1 + bodies) * SealedGeometry.pageSize }

    var encoded: [UInt8] {
        var writer = ByteWriter(count: 16)
        writer.put(number.rawValue)
        writer.put(UInt16(items))
        writer.put(UInt16(bodies))
        writer.put(UInt16(isLast ? 1 : 0))
        return writer.bytes
    }

    init(number: FrameNumber, items: Int, bodies: Int, isLast: Bool) {
        self.number = number
        self.items = items
        self.bodies = bodies
        self.isLast = isLast
    }

    /// What an index page says of its frame, in its bounds but unverified; it tells how many bytes
    /// to read. Throws `.malformed`.
    public init(unverifiedIndexPage page: UnsafeRawBufferPointer) throws(FormatError) {
        guard page.count >= SealedGeometry.pageSize else {
            throw FormatError(.malformed, "the sealed snapshot is cut off within an index page")
        }
        var reader = ByteReader(
            UnsafeRawBufferPointer(rebasing: page[Self.offset..<Self.tagOffset]))
        let number = FrameNumber(reader.get(UInt64.self))
        items = Int(reader.get(UInt16.self))
        bodies = Int(reader.get(UInt16.self))
        let flags = reader.get(UInt16.self)
        isLast = flags == 1
        let unused = page[min(items * Format.entrySize, Self.offset)..<Self.offset]
        guard let number, flags <= 1, reader.restIsZero, items <= SealedGeometry.itemsPerFrame,
            bodies <= items, isLast || items == SealedGeometry.itemsPerFrame,
            unused.allSatisfy({ $0 == 0 })
        else { throw FormatError(.malformed, "a frame's fields make no sense") }
        self.number = number
    }

    /// Checks a whole frame without a key: its fields, its length and its hash.
    /// Throws `.malformed`, `.notAuthentic` if the hash is not that of the bytes.
    public static func check(_ frame: UnsafeRawBufferPointer, expecting number: FrameNumber)
        throws -> SealedFrameFields
    {
        let fields = try SealedFrameFields(unverifiedIndexPage: frame)
        guard fields.number == number else {
            throw FormatError(
                .malformed, "frame \(fields.number) stands where frame \(number) belongs")
        }
        guard frame.count == fields.frameSize else {
            throw FormatError(
                .malformed, "frame \(number) has \(frame.count) of \(fields.frameSize) bytes")
        }
        guard try hash(of: frame) == Array(frame[hashOffset..<SealedGeometry.pageSize]) else {
            throw FormatError(.notAuthentic, "frame \(number) does not match its hash")
        }
        return fields
    }

    static func hash(of frame: UnsafeRawBufferPointer) throws(CryptoError) -> [UInt8] {
        try SHA256.hash(
            parts: UnsafeRawBufferPointer(rebasing: frame[..<hashOffset]),
            UnsafeRawBufferPointer(rebasing: frame[SealedGeometry.pageSize...]))
    }
}
