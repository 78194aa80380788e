import CryptoPrimitives

@testable import DiskFormat

extension FuzzTarget {
    private static let page = SealedGeometry.pageSize
    private static let items: [SealedItem] = [.data(2), .data(9), .data(15)]
    private static let changes: [SealedItem] = [.data(2), .hole(3..<7), .data(9), .hole(10..<16)]

    /// The first page of a sealed snapshot; lineage, MAC and hash are put right.
    static let sealedHeader = FuzzTarget("sealed-header") {
        try [header(nil), header(Example.base)].map { try $0.sealed(with: Example.keys) }
    } run: { bytes in
        _ = try? UnopenedSealedHeader(bytes: bytes).openUnverified()
        let header = try UnopenedSealedHeader(bytes: authentic(bytes)).openUnverified()
        requireSame(header) {
            try UnopenedSealedHeader(bytes: header.sealed(with: Example.keys)).openUnverified()
        }
    }

    /// One frame of a difference; its tags and hash are put right.
    static let sealedFrame = FuzzTarget("sealed-frame") {
        try [items, changes, []].map { try frame($0, of: header(Example.base)) }
    } run: { bytes in
        let first = FrameNumber(0)!  // in bounds
        let cipher = try Example.keys.cipher(for: header(Example.base))
        _ = try? bytes.withUnsafeBytes { try SealedFrameFields.check($0, expecting: first) }
        var frame = try SealedRepair.frame(bytes, of: header(Example.base))
        let opened = try frame.withUnsafeMutableBytes {
            try cipher.open($0, as: first, from: 0)
        }
        requireSame(frame) {
            // Sealed again in place of what was opened: the same bytes.
            var again = frame
            try again.withUnsafeMutableBytes {
                try cipher.seal(opened.items, as: first, isLast: opened.isLast, in: $0)
            }
            return again
        }
    }

    /// A whole file as it is, and with its first page put right; read with the keys and without.
    static let sealedFile = FuzzTarget("sealed-file") {
        let (full, difference) = (try header(nil), try header(Example.base))
        return [
            try full.sealed(with: Example.keys) + frame(items, of: full),
            try difference.sealed(with: Example.keys) + frame(changes, of: difference),
        ]
    } run: { bytes in
        _ = try? check(bytes, keys: nil)
        let header = try authentic(bytes)
        var file = header + bytes.dropFirst(page)
        _ = try? check(file, keys: Example.keys)
        let known = try UnopenedSealedHeader(bytes: header).open(with: Example.keys)
        file = header + (try SealedRepair.frame(Array(bytes.dropFirst(page)), of: known))
        require(
            try check(file, keys: nil).size == UInt64(file.count), "it is of another size")
        _ = try check(file, keys: Example.keys)
    }

    private static func header(_ base: SnapshotID?) throws -> SealedSnapshotHeader {
        try SealedSnapshotHeader(
            lineage: Example.lineage, snapshot: Example.snapshot, base: base, disk: Example.disk,
            created: 1_790_000_000, size: 16 * 4096, storedBlocks: base == nil ? 3 : 0,
            salt: Example.salt, store: Hex.text(Array(0x40..<0x50)), key: Example.key)
    }

    private static func frame(_ items: [SealedItem], of header: SealedSnapshotHeader) throws
        -> [UInt8]
    {
        let bodies = items.count { if case .data = $0 { true } else { false } }
        var frame = [UInt8](repeating: 7, count: (1 + bodies) * page)
        let cipher = try Example.keys.cipher(for: header)
        try frame.withUnsafeMutableBytes {
            try cipher.seal(items, as: FrameNumber(0)!, isLast: true, in: $0)  // in bounds
        }
        return frame
    }

    private static func authentic(_ bytes: [UInt8]) throws -> [UInt8] {
        typealias Header = SealedSnapshotHeader
        let text = bytes.padded(to: Header.authenticated).with(Example.lineage.bytes, at: 20)
        let unsigned = text.padded(to: Header.hashOffset)
        let found = try UnopenedSealedHeader(
            bytes: unsigned + SHA256.hash(unsigned)
        ).openUnverified()
        let signed = text + (try Example.keys.sealedHeaderKey(found).authenticate(text))
        return signed + (try SHA256.hash(signed))
    }

    private static func check(_ bytes: [UInt8], keys: LineageKeys?) throws
        -> (digest: [UInt8], size: UInt64)
    {
        var rest = bytes[...]
        let file = try SealedSnapshotFile { buffer in
            let part = rest.prefix(buffer.count)
            buffer.copyBytes(from: part)
            rest = rest.dropFirst(part.count)
            return part.count
        }
        return try file.check(with: keys)
    }
}
