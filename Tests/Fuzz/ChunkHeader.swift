import CryptoPrimitives

@testable import DiskFormat

extension FuzzTarget {
    /// A chunk's first page; the HMAC and the lineage are put right.
    static let chunkHeader = FuzzTarget("chunk-header") {
        try [nil, LogPosition(chunk: Example.before, slot: 8192)].map {
            try ChunkHeader(
                suite: .plain, layout: Example.layout, lineage: Example.lineage,
                number: Example.chunk, session: 1, salt: Example.salt, predecessor: $0,
                durable: $0
            ).sealed(with: Example.keys).bytes
        }
    } run: { bytes in
        _ = try? UnopenedHeader(bytes: bytes).open(with: Example.keys, expecting: Example.chunk)
        let end = ChunkHeader.authenticated
        let text = bytes.padded(to: end).with(Example.lineage.bytes, at: 20)
        let page =
            (text + (try Example.keys.headerKey.authenticate(text)))
            .padded(to: ChunkLayout.headerSize)
        let raw = text[36..<44].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let number = ChunkNumber(rawValue: raw) ?? Example.chunk
        let header = try UnopenedHeader(bytes: page).open(with: Example.keys, expecting: number)
        requireSame(header) {
            try UnopenedHeader(bytes: header.sealed(with: Example.keys).bytes)
                .open(with: Example.keys, expecting: number)
        }
    }
}
