import CryptoPrimitives

/// Sizes and limits of the format, version 1.
public enum Format {
    public static let version: UInt16 = 1
    /// Bytes of plaintext in a block, and of a block's body in a chunk.
    public static let blockSize = 4096
    /// A slot's entry: 16 bytes of sealed descriptor and a tag of 16 bytes.
    public static let entrySize = 32
    /// Block numbers have 36 bits: the map's four levels of 9.
    public static let blockNumberBits = 36
    /// The largest disk, 32 TiB, and the smallest, one block.
    public static let maximumDiskSize: UInt64 = 32 << 40
    public static let minimumDiskSize: UInt64 = UInt64(blockSize)
    /// Counters in stored records (generations, versions, sessions) stay below this, which no
    /// store ever reaches: a larger one is malformed, and none can overflow when counted up.
    public static let maximumCount: UInt64 = 1 << 62
    /// Disk and snapshot manifests larger than this are neither read nor written.
    public static let maximumManifestSize = 1 << 20
    /// The same for a lineage's manifest, which lists its sessions: some 30,000 of them.
    public static let maximumLineageManifestSize = 8 << 20
}

/// The number of a block within a disk: byte offset / 4096.
public typealias BlockNumber = UInt64

/// The number of a chunk within its lineage: lane (12 bits) and sequence (32 bits). Given out once.
public struct ChunkNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
    public static let maximumLane: UInt16 = 4095
    /// Sequences end here; beyond it nothing is counted up any more, so nothing can overflow.
    public static let maximumSequence: UInt32 = 0xFFFF_0000
    public let rawValue: UInt64

    /// Precondition: `lane` has 12 bits.
    public init(lane: UInt16, sequence: UInt32) {
        precondition(lane <= Self.maximumLane)
        rawValue = UInt64(lane) << 32 | UInt64(sequence)
    }

    /// nil if `rawValue` has more than 44 bits, or a sequence that is never given out. Sequence 0
    /// is no chunk; it stands for "none".
    public init?(rawValue: UInt64) {
        guard rawValue < 1 << 44,
            UInt32(truncatingIfNeeded: rawValue) <= Self.maximumSequence
        else { return nil }
        self.rawValue = rawValue
    }

    public var lane: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 32) }
    public var sequence: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    public static func < (a: ChunkNumber, b: ChunkNumber) -> Bool { a.rawValue < b.rawValue }
    public var description: String {
        "\(Hex.text(bigEndian(lane, digits: 3)))/\(Hex.text(bigEndian(sequence, digits: 8)))"
    }

    private func bigEndian(_ value: some FixedWidthInteger, digits: Int) -> [UInt8] {
        (0..<(digits + 1) / 2).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
}

/// Where a block lies: a chunk (44 bits) and a slot in it (20 bits). 0 is a hole. An address names
/// one content for ever, because chunk numbers are given out once and slots are sealed once. Should
/// a store have been put back in part so that a number was given out again, an address of before
/// does not resolve: it never names a session later than the one that wrote it.
public struct BlockAddress: Hashable, Sendable, CustomStringConvertible {
    public static let hole = BlockAddress(rawValue: 0)
    public let rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable
    public init(chunk: ChunkNumber, slot: UInt32) {
        rawValue = chunk.rawValue << 20 | UInt64(slot)
    }

    @inlinable public var isHole: Bool { rawValue == 0 }
    /// The chunk; its raw value has 44 bits by construction, so the optional is never nil.
    public var chunk: ChunkNumber {
        ChunkNumber(
            lane: UInt16(truncatingIfNeeded: rawValue >> 52),
            sequence: UInt32(truncatingIfNeeded: rawValue >> 20))
    }
    @inlinable public var slot: UInt32 { UInt32(truncatingIfNeeded: rawValue) & 0xF_FFFF }

    public var description: String { isHole ? "hole" : "\(chunk):\(slot)" }
}

/// A place in a disk's log: `slot` is the next one to be read or written in `chunk`.
public struct LogPosition: Hashable, Sendable {
    public let chunk: ChunkNumber
    public let slot: UInt32

    public init(chunk: ChunkNumber, slot: UInt32) {
        self.chunk = chunk
        self.slot = slot
    }
}
