/// The shape of the map: pages of 512 addresses, level 0 (leaves) to level 3 (the root).
public enum MapGeometry {
    public static let fanOutBits: UInt64 = 9
    public static let fanOut = 512
    public static let rootLevel: UInt8 = 3

    /// Blocks below one page of a level: 512, 2^18, 2^27, 2^36.
    public static func blocks(belowPageAt level: UInt8) -> UInt64 {
        1 << (fanOutBits * (UInt64(level) + 1))
    }

    public static func pages(atLevel level: UInt8) -> UInt64 {
        1 << (UInt64(Format.blockNumberBits) - fanOutBits * (UInt64(level) + 1))
    }

    /// The index of the page of `level` that covers `block`, and the entry in it.
    @inlinable
    public static func pageIndex(of block: BlockNumber, level: UInt8) -> UInt64 {
        block >> (9 * (UInt64(level) + 1))
    }

    @inlinable
    public static func entry(of block: BlockNumber, level: UInt8) -> Int {
        Int(truncatingIfNeeded: (block >> (9 * UInt64(level))) & 511)
    }
}
