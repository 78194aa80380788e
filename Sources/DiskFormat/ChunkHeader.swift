import CryptoPrimitives

/// The first 4096 bytes of a chunk, authenticated by an HMAC. A chunk's name comes into being with
/// its header, so a header that does not open is damage, always.
///
/// ```
/// 0    8  "SEALDISK"
/// 8    2  format version 1          10  2  suite
/// 12   4  block size 4096           16  4  slot count
/// 20  16  lineage                   36  8  chunk number
/// 44   8  session number            52 32  session salt
/// 84   8  predecessor: chunk number (0: none)
/// 92   4  predecessor: used slots
/// 96   8  durable mark: chunk number (0: none) …
/// 104  4  … and slots of it that were known durable when this was written
/// 108 372 zero
/// 480 32  HMAC-SHA-256 over bytes 0 to 479 under the header key
/// 512     zero to 4096
/// ```
/// All that is not zero lies in one 512-byte sector, so a torn write leaves the old or the new.
public struct ChunkHeader: Hashable, Sendable {
    public let suite: Suite
    public let layout: ChunkLayout
    public let lineage: LineageID
    public let number: ChunkNumber
    public let session: UInt64
    public let salt: [UInt8]
    /// Where the log stood before this chunk; nil for the first chunk of a disk.
    public let predecessor: LogPosition?
    /// Everything below it was known durable when this header was written.
    public let durable: LogPosition?

    public init(
        suite: Suite, layout: ChunkLayout, lineage: LineageID, number: ChunkNumber,
        session: UInt64, salt: [UInt8], predecessor: LogPosition?, durable: LogPosition?
    ) {
        precondition(salt.count == LineageKeys.saltSize)  // drawn or read with exactly that size
        self.suite = suite
        self.layout = layout
        self.lineage = lineage
        self.number = number
        self.session = session
        self.salt = salt
        self.predecessor = predecessor
        self.durable = durable
    }

    /// The same chunk with another number of slots, before anything of it was stored.
    public func with(layout: ChunkLayout) -> ChunkHeader {
        ChunkHeader(
            suite: suite, layout: layout, lineage: lineage, number: number, session: session,
            salt: salt, predecessor: predecessor, durable: durable)
    }

    static let magic = "SEALDISK"
    static let authenticated = 480

    /// The header as stored, authenticated under the lineage's header key.
    public func sealed(with keys: LineageKeys) throws(CryptoError) -> SealedHeader {
        var writer = ByteWriter(count: ChunkLayout.headerSize)
        writer.put(Self.magic, width: 8)
        writer.put(Format.version)
        writer.put(suite.rawValue)
        writer.put(UInt32(Format.blockSize))
        writer.put(layout.slotCount)
        writer.put(lineage.bytes)
        writer.put(number.rawValue)
        writer.put(session)
        writer.put(salt)
        writer.put(predecessor?.chunk.rawValue ?? 0)
        writer.put(predecessor?.slot ?? 0)
        writer.put(durable?.chunk.rawValue ?? 0)
        writer.put(durable?.slot ?? 0)
        var bytes = writer.bytes
        let tag = try keys.headerKey.authenticate(Array(bytes[..<Self.authenticated]))
        bytes.replaceSubrange(Self.authenticated..<Self.authenticated + tag.count, with: tag)
        return SealedHeader(bytes: bytes)
    }
}

/// An authenticated chunk header, ready to be stored. Only `ChunkHeader.sealed` makes one.
public struct SealedHeader: Sendable {
    public let bytes: [UInt8]
}

/// The first 4096 bytes of a chunk as a store returned them: anything at all, until opened.
public struct UnopenedHeader: Sendable {
    private let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The header, if it is authentic under the lineage's key and is that of chunk `number`.
    public func open(with keys: LineageKeys, expecting number: ChunkNumber) throws -> ChunkHeader {
        guard bytes.count == ChunkLayout.headerSize else {
            throw FormatError(.malformed, "the header is cut off after \(bytes.count) bytes")
        }
        let tagEnd = ChunkHeader.authenticated + HMACKey.tagLength
        guard
            try keys.headerKey.verify(
                Array(bytes[ChunkHeader.authenticated..<tagEnd]),
                for: Array(bytes[..<ChunkHeader.authenticated])),
            bytes[tagEnd...].allSatisfy({ $0 == 0 })
        else { throw FormatError(.notAuthentic, "the header is not authentic") }
        let header = try bytes.withUnsafeBytes { raw in try Self.decode(raw) }
        guard header.number == number, header.lineage == keys.lineage, header.suite == keys.suite
        else {
            throw FormatError(.notAuthentic, "the header is that of another chunk")
        }
        return header
    }

    /// What it says, unverified.
    func decoded() throws -> ChunkHeader {
        guard bytes.count == ChunkLayout.headerSize else {
            throw FormatError(.malformed, "the header is cut off after \(bytes.count) bytes")
        }
        return try bytes.withUnsafeBytes { raw in try Self.decode(raw) }
    }

    private static func decode(_ raw: UnsafeRawBufferPointer) throws(FormatError) -> ChunkHeader {
        var reader = ByteReader(raw)
        let magic = reader.getText(width: 8)
        let version = reader.get(UInt16.self)
        guard magic == ChunkHeader.magic, version == Format.version else {
            throw FormatError(.unsupported, "format version \(version) is not one this reads")
        }
        let suite = Suite(rawValue: reader.get(UInt16.self))
        let blockSize = reader.get(UInt32.self)
        let layout = ChunkLayout(slotCount: reader.get(UInt32.self))
        let lineage = LineageID(bytes: reader.get(count: LineageID.byteCount))
        let number = ChunkNumber(rawValue: reader.get(UInt64.self))
        let session = reader.get(UInt64.self)
        let salt = reader.get(count: LineageKeys.saltSize)
        let predecessor = try position(&reader)
        let durable = try position(&reader)
        guard let suite, let layout, let number, blockSize == UInt32(Format.blockSize) else {
            throw FormatError(.malformed, "the header's fields make no sense")
        }
        return ChunkHeader(
            suite: suite, layout: layout, lineage: lineage, number: number, session: session,
            salt: salt, predecessor: predecessor, durable: durable)
    }

    private static func position(_ reader: inout ByteReader) throws(FormatError) -> LogPosition? {
        let raw = reader.get(UInt64.self)
        let slot = reader.get(UInt32.self)
        guard let chunk = ChunkNumber(rawValue: raw), slot <= ChunkLayout.maximumSlots else {
            throw FormatError(.malformed, "the header's fields make no sense")
        }
        return raw == 0 ? nil : LogPosition(chunk: chunk, slot: slot)
    }
}
