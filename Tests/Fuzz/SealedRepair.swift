import CryptoPrimitives

@testable import DiskFormat

/// Puts right what a mutation breaks in a frame, as far as a plain lineage's frame can be made by
/// anyone: its length, the tag of each item that has a body of its own, and the hash.
enum SealedRepair {
    static func frame(_ bytes: [UInt8], of header: SealedSnapshotHeader) throws -> [UInt8] {
        let index = bytes.padded(to: SealedGeometry.pageSize)
        let fields = try index.withUnsafeBytes { try SealedFrameFields(unverifiedIndexPage: $0) }
        var frame = bytes.padded(to: fields.frameSize)
        let prefix = prefix(of: header)
        var body = SealedGeometry.pageSize
        for item in 0..<fields.items {
            let entry = item * Format.entrySize
            let field = Array(frame[entry..<entry + SlotDescriptor.size])
            let read = field.withUnsafeBytes { SlotDescriptor(bytes: $0.baseAddress!) }  // 16 bytes
            let hasBody = read?.kind.hasBody == true && body < frame.count
            let part = hasBody ? Array(frame[body..<body + Format.blockSize]) : nil
            let number = fields.number.rawValue * UInt64(SealedGeometry.itemsPerFrame)
            let tag = checksum(prefix, 3, number + UInt64(item), field, part)
            frame = frame.with(tag, at: entry + SlotDescriptor.size)
            if hasBody { body += Format.blockSize }
        }
        let tag = checksum(prefix, 4, fields.number.rawValue, fields.encoded, nil)
        frame = frame.with(tag, at: SealedFrameFields.tagOffset)
        let hash = try frame.withUnsafeBytes { try SealedFrameFields.hash(of: $0) }
        return frame.with(hash, at: SealedFrameFields.hashOffset)
    }

    /// As `LineageKeys.cipher(for:)` has it for a plain lineage.
    private static func prefix(of header: SealedSnapshotHeader) -> [UInt8] {
        var writer = ByteWriter(count: 46)
        writer.put(header.snapshot.text, width: SealedSnapshotHeader.idLength)
        writer.put(header.base?.text ?? "", width: SealedSnapshotHeader.idLength)
        writer.put(SealedSnapshotHeader.version)
        let difference = header.differenceSalt
        return header.lineage.bytes + header.salt + writer.bytes
            + (difference == SealedSnapshotHeader.noDifferenceSalt ? [] : difference)
    }

    private static func checksum(
        _ prefix: [UInt8], _ domain: UInt64, _ number: UInt64, _ fields: [UInt8], _ body: [UInt8]?
    ) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: PlainChunkTag.size)
        let position = [domain, number]
        prefix.withUnsafeBytes { prefix in
            tag.withUnsafeMutableBytes { tag in
                guard let start = tag.baseAddress else { return }
                if let body {
                    PlainChunkTag.checksum(prefix, position, 16, fields, body, into: start)
                } else {
                    PlainChunkTag.checksum(prefix, position, 16, fields, nil, into: start)
                }
            }
        }
        return tag
    }
}
