/// The number of a frame within a sealed snapshot, from 0.
public struct FrameNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// More frames than the largest disk needs if every item is one block.
    static let limit: UInt64 = 1 << 36
    public let rawValue: UInt64

    /// nil if no sealed snapshot has a frame of that number.
    public init?(_ rawValue: UInt64) {
        guard rawValue < Self.limit else { return nil }
        self.rawValue = rawValue
    }

    public static func < (a: FrameNumber, b: FrameNumber) -> Bool { a.rawValue < b.rawValue }
    public var description: String { "\(rawValue)" }
}

/// Where things lie in a sealed snapshot: a header page, then frames, each an index page and its
/// bodies. All frames but the last have 126 items; in a full one every item has a body.
public enum SealedGeometry {
    public static let pageSize = Format.blockSize
    public static let itemsPerFrame = 126
    /// The longest frame, in bytes.
    public static let maximumFrameSize = (1 + itemsPerFrame) * pageSize

    /// Frames of a full sealed snapshot of `blocks` stored blocks; one if there are none.
    public static func frames(blocks: UInt64) -> UInt64 {
        max(1, (blocks + UInt64(itemsPerFrame) - 1) / UInt64(itemsPerFrame))
    }

    /// Bytes of a full sealed snapshot. Precondition: as many blocks as a disk may have.
    public static func fileSize(blocks: UInt64) -> UInt64 {
        (1 + frames(blocks: blocks) + blocks) * UInt64(pageSize)
    }

    /// Where a frame of a full sealed snapshot begins, in bytes.
    public static func offset(of frame: FrameNumber) -> UInt64 {
        UInt64(pageSize) + frame.rawValue * UInt64(maximumFrameSize)
    }
}
