import CryptoPrimitives

/// The first page of a sealed snapshot. Readable without a key, believed only with one.
///
/// ```
/// 0     8  "SEALSNAP"
/// 8     2  version of the sealed snapshot, 1   10  2  suite
/// 12    4  flags: bit 0 incremental            16  4  key epoch
/// 20   16  lineage
/// 36   22  snapshot id        58  22  base snapshot id, zeros in a full one
/// 80   22  disk id            102  2  zero
/// 104   8  created, seconds since 1970
/// 112   8  disk size, bytes
/// 120   8  stored blocks of a full one; 0 in an incremental one
/// 128  32  the snapshot's salt
/// 160  32  the key check
/// 192  32  id of the store whose KMS context binds the wrapped key, text
/// 224  64  id of the CMK, text; zeros if plain
/// 288   2  length of the wrapped key; 0 if plain
/// 290 512  the wrapped key
/// 802  32  the difference's salt; zeros in a full one. Then zeros to 4032
/// 4032 32  HMAC-SHA-256 over bytes 0 to 4031
/// 4064 32  SHA-256 over bytes 0 to 4063
/// ```
/// The hash stands last, as in a frame: without a key it finds accidents in every byte, the HMAC's
/// too. With the key it follows from bytes that are authentic, so nothing is left to choose.
public struct SealedSnapshotHeader: Hashable, Sendable {
    public static let version: UInt16 = 1
    static let magic = "SEALSNAP"
    static let hashOffset = SealedGeometry.pageSize - SHA256.length
    /// How many bytes the HMAC covers, and where it stands.
    static let authenticated = hashOffset - HMACKey.tagLength
    static let storeIDLength = 32
    static let keyIDLength = 64
    static let maximumWrappedKey = 512
    static let idLength = 22
    public static let noDifferenceSalt = [UInt8](repeating: 0, count: LineageKeys.saltSize)

    public let lineage: LineageID
    public let snapshot: SnapshotID
    /// nil in a full one.
    public let base: SnapshotID?
    public let disk: DiskID
    /// Seconds since 1970.
    public let created: Int64
    /// Bytes.
    public let size: UInt64
    /// Blocks that are no holes; 0 in an incremental one, which ends with its last frame.
    public let storedBlocks: UInt64
    public let salt: [UInt8]
    /// In an incremental one: which two maps were compared. The same two snapshots differ in other
    /// blocks where one of them was imported, and one key must never seal both.
    public let differenceSalt: [UInt8]
    /// The store in whose context the data key was wrapped, 32 hexadecimal digits.
    public let store: String
    public let key: LineageManifest.KeyEnvelope

    /// Throws `.limit` if a field exceeds what a header can hold.
    public init(
        lineage: LineageID, snapshot: SnapshotID, base: SnapshotID?, disk: DiskID, created: Int64,
        size: UInt64, storedBlocks: UInt64, salt: [UInt8],
        differenceSalt: [UInt8] = Self.noDifferenceSalt, store: String,
        key: LineageManifest.KeyEnvelope
    ) throws(FormatError) {
        self.differenceSalt = differenceSalt
        self.lineage = lineage
        self.snapshot = snapshot
        self.base = base
        self.disk = disk
        self.created = created
        self.size = size
        self.storedBlocks = storedBlocks
        self.salt = salt
        self.store = store
        self.key = key.wrapped(in: nil)
        guard isWithinBounds else {
            throw FormatError(.limit, "the fields exceed what a sealed snapshot's header can hold")
        }
    }

    public var isIncremental: Bool { base != nil }
    public var suite: Suite { key.suite }

    private var isWithinBounds: Bool {
        let (id, wrapped) = (key.keyID ?? "", key.wrappedKey?.bytes ?? [])
        return CheckpointRecord.isValidSize(size)
            && storedBlocks <= (isIncremental ? 0 : size / UInt64(Format.blockSize))
            && salt.count == LineageKeys.saltSize && base != snapshot
            && differenceSalt.count == LineageKeys.saltSize
            && (isIncremental || differenceSalt == Self.noDifferenceSalt)
            && key.keyCheck.bytes.count == LineageKeys.keySize
            && store.utf8.count == Self.storeIDLength && Hex.bytes(store) != nil
            && id.utf8.count <= Self.keyIDLength && wrapped.count <= Self.maximumWrappedKey
            && id.utf8.allSatisfy { (0x21...0x7e).contains($0) }
            && (suite == .plain) == id.isEmpty && (suite == .plain) == wrapped.isEmpty
            && (suite != .plain || key.epoch == 0)
    }

    /// The header as it stands in the file, 4096 bytes.
    public func sealed(with keys: LineageKeys) throws -> [UInt8] {
        var writer = ByteWriter(count: SealedGeometry.pageSize)
        writer.put(Self.magic, width: 8)
        writer.put(Self.version)
        writer.put(suite.rawValue)
        writer.put(UInt32(isIncremental ? 1 : 0))
        writer.put(key.epoch)
        writer.put(lineage.bytes)
        writer.put(snapshot.text, width: Self.idLength)
        writer.put(base?.text ?? "", width: Self.idLength)
        writer.put(disk.text, width: Self.idLength)
        writer.put(UInt16(0))
        writer.put(UInt64(bitPattern: created))
        writer.put(size)
        writer.put(storedBlocks)
        writer.put(salt)
        writer.put(key.keyCheck.bytes)
        writer.put(store, width: Self.storeIDLength)
        writer.put(key.keyID ?? "", width: Self.keyIDLength)
        writer.put(UInt16(key.wrappedKey?.bytes.count ?? 0))
        writer.put(key.wrappedKey?.bytes ?? [])
        let unused = Self.maximumWrappedKey - (key.wrappedKey?.bytes.count ?? 0)
        writer.put([UInt8](repeating: 0, count: unused))
        writer.put(differenceSalt)
        var bytes = writer.bytes
        let mac = try keys.sealedHeaderKey(self).authenticate(Array(bytes[..<Self.authenticated]))
        bytes.replaceSubrange(Self.authenticated..<Self.hashOffset, with: mac)
        let hash = try SHA256.hash(Array(bytes[..<Self.hashOffset]))
        bytes.replaceSubrange(Self.hashOffset..., with: hash)
        return bytes
    }
}

/// The first page of a sealed snapshot as it was found: anything at all, until opened.
public struct UnopenedSealedHeader: Sendable {
    private let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The header, if it is authentic under the lineage's key.
    public func open(with keys: LineageKeys) throws -> SealedSnapshotHeader {
        let header = try openUnverified()
        guard header.lineage == keys.lineage, header.suite == keys.suite,
            header.key.epoch == keys.epoch, header.key.keyCheck.bytes == keys.keyCheck,
            try keys.sealedHeaderKey(header).verify(
                Array(
                    bytes[SealedSnapshotHeader.authenticated..<SealedSnapshotHeader.hashOffset]),
                for: Array(bytes[..<SealedSnapshotHeader.authenticated]))
        else { throw FormatError(.notAuthentic, "the sealed snapshot's header is not authentic") }
        return header
    }

    /// The fields as they stand, in their bounds and undamaged by accident, but from anybody: to
    /// show them, and to find the wrapped key that verifying needs.
    public func openUnverified() throws -> SealedSnapshotHeader {
        guard bytes.count == SealedGeometry.pageSize else {
            throw FormatError(
                .malformed, "the sealed snapshot's header is cut off after \(bytes.count) bytes")
        }
        let found = bytes.withUnsafeBytes { raw in
            Result { () throws(FormatError) in
                try Self.decode(raw)
            }
        }
        let header = try found.get()
        guard
            try SHA256.hash(Array(bytes[..<SealedSnapshotHeader.hashOffset]))
                == Array(bytes[SealedSnapshotHeader.hashOffset...])
        else {
            throw FormatError(
                .notAuthentic, "the sealed snapshot's header does not match its hash")
        }
        return header
    }

    private static func decode(_ raw: UnsafeRawBufferPointer) throws(FormatError)
        -> SealedSnapshotHeader
    {
        typealias Header = SealedSnapshotHeader
        var reader = ByteReader(
            UnsafeRawBufferPointer(rebasing: raw[..<Header.authenticated]))
        guard reader.get(count: 8) == Array(Header.magic.utf8) else {
            throw FormatError(.malformed, "this is not a sealed snapshot")
        }
        let version = reader.get(UInt16.self)
        guard version == Header.version, let suite = Suite(rawValue: reader.get(UInt16.self)) else {
            throw FormatError(
                .unsupported, "sealed snapshot of version \(version), or a suite, not known here")
        }
        let flags = reader.get(UInt32.self)
        let epoch = reader.get(UInt32.self)
        let lineage = LineageID(bytes: reader.get(count: LineageID.byteCount))
        let snapshot = text(&reader, Header.idLength).flatMap { SnapshotID($0) }
        let base = text(&reader, Header.idLength)
        let disk = text(&reader, Header.idLength).flatMap { DiskID($0) }
        let padding = reader.get(UInt16.self)
        let created = Int64(bitPattern: reader.get(UInt64.self))
        let size = reader.get(UInt64.self)
        let storedBlocks = reader.get(UInt64.self)
        let salt = reader.get(count: LineageKeys.saltSize)
        let check = reader.get(count: LineageKeys.keySize)
        let store = text(&reader, Header.storeIDLength)
        let keyID = text(&reader, Header.keyIDLength)
        let length = Int(reader.get(UInt16.self))
        guard flags <= 1, padding == 0, let snapshot, let base, let disk, let store, let keyID,
            length <= Header.maximumWrappedKey,
            base.isEmpty ? flags == 0 : flags == 1 && SnapshotID(base) != nil
        else { throw malformed }
        let wrapped = reader.get(count: length)
        let unused = reader.get(count: Header.maximumWrappedKey - length)
        let differenceSalt = reader.get(count: LineageKeys.saltSize)
        guard unused.allSatisfy({ $0 == 0 }), reader.restIsZero else { throw malformed }
        do {
            return try Header(
                lineage: lineage, snapshot: snapshot, base: SnapshotID(base), disk: disk,
                created: created, size: size, storedBlocks: storedBlocks, salt: salt,
                differenceSalt: differenceSalt, store: store,
                key: .init(
                    suite: suite, epoch: epoch, keyID: keyID.isEmpty ? nil : keyID,
                    wrappedKey: wrapped.isEmpty ? nil : HexBytes(wrapped),
                    keyCheck: HexBytes(check)))
        } catch { throw malformed }
    }

    /// Text padded with zeros; nil if anything follows the padding.
    private static func text(_ reader: inout ByteReader, _ width: Int) -> String? {
        let field = reader.get(count: width)
        let text = field.prefix { $0 != 0 }
        guard field[text.count...].allSatisfy({ $0 == 0 }) else { return nil }
        return String(validating: text, as: UTF8.self)
    }

    private static var malformed: FormatError {
        FormatError(.malformed, "the sealed snapshot's header has fields that make no sense")
    }
}
