/// What a slot holds: 16 bytes that are sealed together with the slot's body.
///
/// ```
/// 0   1  kind      1 data, 2 map page, 3 discard, 4 checkpoint, 5 void
/// 1   1  level     of a map page: 0 leaf to 3 root; else 0
/// 2   3  durable   slots of this chunk known durable when this slot was sealed
/// 5   5  index     data, discard: first block number; map page: index within its level
/// 10  6  length    data, discard: blocks; map page, checkpoint: 1; void: 0
/// ```
public struct SlotDescriptor: Hashable, Sendable {
    public static let size = 16

    public enum Kind: UInt8, Sendable {
        case data = 1
        case mapPage, discard, checkpoint, void

        /// Whether the slot's body is part of its message.
        public var hasBody: Bool { self == .data || self == .mapPage || self == .checkpoint }
    }

    public let kind: Kind
    public let level: UInt8
    public let durableSlots: UInt32
    public let index: UInt64
    public let length: UInt64

    private init(kind: Kind, level: UInt8, durableSlots: UInt32, index: UInt64, length: UInt64) {
        self.kind = kind
        self.level = level
        self.durableSlots = durableSlots
        self.index = index
        self.length = length
    }

    public static func data(_ block: BlockNumber, durableSlots: UInt32) -> SlotDescriptor {
        SlotDescriptor(kind: .data, level: 0, durableSlots: durableSlots, index: block, length: 1)
    }

    public static func mapPage(level: UInt8, index: UInt64, durableSlots: UInt32)
        -> SlotDescriptor
    {
        SlotDescriptor(
            kind: .mapPage, level: level, durableSlots: durableSlots, index: index, length: 1)
    }

    public static func discard(_ blocks: Range<BlockNumber>, durableSlots: UInt32)
        -> SlotDescriptor
    {
        SlotDescriptor(
            kind: .discard, level: 0, durableSlots: durableSlots, index: blocks.lowerBound,
            length: UInt64(blocks.count))
    }

    public static func checkpoint(durableSlots: UInt32) -> SlotDescriptor {
        SlotDescriptor(kind: .checkpoint, level: 0, durableSlots: durableSlots, index: 0, length: 1)
    }

    /// The one constant that voids a slot: sealing it again gives the same bytes.
    public static let void = SlotDescriptor(
        kind: .void, level: 0, durableSlots: 0, index: 0, length: 0)

    /// Precondition: 16 bytes, which the callers' fixed buffers have.
    func write(to bytes: UnsafeMutableRawPointer) {
        let low =
            UInt64(kind.rawValue) | UInt64(level) << 8 | UInt64(durableSlots & 0xFF_FFFF) << 16
            | (index & 0xFF_FFFF) << 40
        let high = (index >> 24) & 0xFFFF | (length & 0xFFFF_FFFF_FFFF) << 16
        bytes.storeBytes(of: low, as: UInt64.self)
        bytes.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
    }

    /// nil if the fields make no sense together.
    init?(bytes: UnsafeRawPointer) {
        let low = bytes.loadUnaligned(as: UInt64.self)
        let high = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        guard let kind = Kind(rawValue: UInt8(truncatingIfNeeded: low)) else { return nil }
        self.kind = kind
        level = UInt8(truncatingIfNeeded: low >> 8)
        durableSlots = UInt32(truncatingIfNeeded: low >> 16) & 0xFF_FFFF
        index = low >> 40 | (high & 0xFFFF) << 24
        length = high >> 16
        guard durableSlots <= ChunkLayout.maximumSlots, isWithinBounds else { return nil }
    }

    private var isWithinBounds: Bool {
        let blocks: UInt64 = 1 << Format.blockNumberBits
        switch kind {
        case .data: return level == 0 && length == 1 && index < blocks
        case .discard:
            return level == 0 && length >= 1 && index < blocks && length <= blocks - index
        case .mapPage:
            return level <= MapGeometry.rootLevel && length == 1
                && index < MapGeometry.pages(atLevel: level)
        case .checkpoint: return level == 0 && index == 0 && length == 1
        case .void: return self == .void
        }
    }
}
