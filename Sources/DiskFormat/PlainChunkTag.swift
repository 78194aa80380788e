import CXXHash

/// Checksums of a plain lineage's slots: XXH3-128 (seed 0) over lineage (16 bytes), session salt
/// (32), chunk number (8), slot (8, with the domain in its upper half), descriptor (16), body.
struct PlainChunkTag: Sendable {
    static let size = 16
    private let prefix: [UInt8]

    init(lineage: LineageID, salt: [UInt8], chunk: ChunkNumber) {
        var writer = ByteWriter(count: 56)
        writer.put(lineage.bytes)
        writer.put(salt)
        writer.put(chunk.rawValue)
        prefix = writer.bytes
    }

    /// The checksum in XXH3's canonical (big-endian) byte order.
    func compute(
        domain: SlotDomain, slot: UInt32, descriptor: UnsafeRawPointer, body: UnsafeRawPointer?,
        into tag: UnsafeMutableRawPointer
    ) {
        var position = UInt64(slot) | UInt64(domain.rawValue) << 32
        prefix.withUnsafeBytes { prefix in
            sealdisk_xxh3_128(
                prefix.baseAddress!,  // 56 bytes
                prefix.count, &position, 8, descriptor, SlotDescriptor.size, body,
                body == nil ? 0 : Format.blockSize, tag)
        }
    }

    /// The same over any prefix and position and 16 bytes of fields.
    static func checksum(
        _ prefix: UnsafeRawBufferPointer, _ position: UnsafeRawPointer, _ positionSize: Int,
        _ fields: UnsafeRawPointer, _ body: UnsafeRawPointer?, into tag: UnsafeMutableRawPointer
    ) {
        sealdisk_xxh3_128(
            prefix.baseAddress!,  // never empty
            prefix.count, position, positionSize, fields, SlotDescriptor.size, body,
            body == nil ? 0 : Format.blockSize, tag)
    }
}
