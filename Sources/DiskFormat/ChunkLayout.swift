/// Where things lie in a chunk file: header, slot table, bodies, each aligned to 4096 bytes.
public struct ChunkLayout: Hashable, Sendable {
    public static let headerSize = 4096
    public static let minimumSlots: UInt32 = 8
    public static let maximumSlots: UInt32 = 1 << 20
    public let slotCount: UInt32

    /// nil if the count is out of bounds (8 to 2^20).
    public init?(slotCount: UInt32) {
        guard (Self.minimumSlots...Self.maximumSlots).contains(slotCount) else { return nil }
        self.slotCount = slotCount
    }

    public var tableOffset: UInt64 { UInt64(Self.headerSize) }
    public var bodiesOffset: UInt64 {
        let table = UInt64(slotCount) * UInt64(Format.entrySize)
        return tableOffset + (table + 4095) / 4096 * 4096
    }
    public var fileSize: UInt64 { bodyOffset(of: slotCount) }

    public func entryOffset(of slot: UInt32) -> UInt64 {
        tableOffset + UInt64(slot) * UInt64(Format.entrySize)
    }

    public func bodyOffset(of slot: UInt32) -> UInt64 {
        bodiesOffset + UInt64(slot) * UInt64(Format.blockSize)
    }

    /// This layout with `slots` slots if it has more. Precondition: within the bounds.
    public func atMost(_ slots: UInt32) -> ChunkLayout {
        slotCount <= slots ? self : ChunkLayout(slotCount: slots)!  // the callers' constants are
    }

    /// The slot count for a disk of `size` bytes on a medium of `capacity` bytes: 8192 (32 MiB),
    /// 65,536 (256 MiB) from 4 TiB on so that files stay few, and fewer where a chunk would exceed
    /// 1/32 of the disk (the one in use and the next are there whole) or 1/64 of the medium, down
    /// to 256 (1 MiB).
    public static func forDisk(size: UInt64, capacity: UInt64) -> ChunkLayout {
        let wanted: UInt64 = size >= 4 << 40 ? 65_536 : 8192
        let fits = min(size / 32, capacity / 64) / UInt64(Format.blockSize)
        var slots = wanted
        while slots > 256 && slots > fits { slots /= 2 }
        // Between 256 and 65,536 by construction, so within the bounds.
        return ChunkLayout(slotCount: UInt32(slots))!
    }
}
