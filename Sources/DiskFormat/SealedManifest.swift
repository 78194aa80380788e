import CryptoPrimitives

/// A manifest as it is stored: a header line, the payload, and a MAC over both.
///
/// ```
/// sealdisk-manifest 1 TYPE ID LINEAGE VERSION\n
/// {JSON payload, no line feed inside}\n
/// hmac-sha-256 64 hexadecimal digits\n
/// ```
/// TYPE is `lineage`, `disk` or `snapshot`; VERSION counts the manifest's changes. The MAC covers
/// every byte before its own line, under the lineage's manifest key, and is verified before the
/// payload is parsed. Only `ManifestHeader.seal` makes one.
public struct SealedManifest: Sendable {
    public let bytes: [UInt8]
}

/// What the first line of a manifest says of it.
public struct ManifestHeader: Hashable, Sendable {
    public enum Kind: String, Sendable {
        case lineage, disk, snapshot
    }

    public let kind: Kind
    public let id: String
    public let lineage: LineageID
    public let version: UInt64

    public init(kind: Kind, id: String, lineage: LineageID, version: UInt64) {
        self.kind = kind
        self.id = id
        self.lineage = lineage
        self.version = version
    }

    private static let magic = "sealdisk-manifest"
    private static let macLabel = "hmac-sha-256"

    var line: String {
        "\(Self.magic) \(Format.version) \(kind.rawValue) \(id) \(lineage) \(version)\n"
    }

    /// The manifest of this header and payload, authenticated. Precondition: no line feed in the
    /// payload, which the JSON coder never writes.
    func seal(_ payload: [UInt8], with keys: LineageKeys) throws(CryptoError) -> SealedManifest {
        precondition(!payload.contains(UInt8(ascii: "\n")))
        let authenticated = Array(line.utf8) + payload + [UInt8(ascii: "\n")]
        let mac = try keys.manifestKey.authenticate(authenticated)
        return SealedManifest(
            bytes: authenticated + Array("\(Self.macLabel) \(Hex.text(mac))\n".utf8))
    }

    /// Splits stored bytes into header, payload and MAC, believing none of them.
    static func split(_ bytes: [UInt8]) throws(FormatError) -> (
        header: ManifestHeader, payload: [UInt8], authenticated: [UInt8], mac: [UInt8]
    ) {
        let lines = bytes.split(
            separator: UInt8(ascii: "\n"), maxSplits: 3, omittingEmptySubsequences: false)
        guard lines.count == 4, lines[3].isEmpty,
            let first = String(validating: lines[0], as: UTF8.self),
            let last = String(validating: lines[2], as: UTF8.self)
        else { throw FormatError(.malformed, "the manifest is cut off or not a manifest") }
        let words = first.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 6, words[0] == Self.magic else {
            throw FormatError(.malformed, "the manifest does not begin as one")
        }
        guard words[1] == "\(Format.version)" else {
            throw FormatError(.unsupported, "the manifest is of format version \(words[1])")
        }
        let macWords = last.split(separator: " ", omittingEmptySubsequences: false)
        guard let kind = Kind(rawValue: String(words[2])),
            let lineage = LineageID(String(words[4])), let version = UInt64(words[5]),
            macWords.count == 2, macWords[0] == Self.macLabel,
            version < Format.maximumCount, let mac = Hex.bytes(String(macWords[1]))
        else { throw FormatError(.malformed, "the manifest's first or last line makes no sense") }
        let header = ManifestHeader(
            kind: kind, id: String(words[3]), lineage: lineage, version: version)
        let authenticated = Array(bytes[..<lines[2].startIndex])
        return (header, Array(lines[1]), authenticated, mac)
    }
}

/// Manifest bytes as a store returned them.
public struct UnopenedManifest: Sendable {
    private let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The payload, verified. Throws `.notAuthentic` if the MAC is not the lineage's, or the
    /// manifest is that of another thing.
    func open(kind: ManifestHeader.Kind, id: String, with keys: LineageKeys) throws
        -> (header: ManifestHeader, payload: [UInt8])
    {
        let parts = try ManifestHeader.split(bytes)
        guard try keys.manifestKey.verify(parts.mac, for: parts.authenticated) else {
            throw FormatError(.notAuthentic, "the manifest is not authentic")
        }
        guard parts.header.kind == kind, parts.header.id == id,
            parts.header.lineage == keys.lineage
        else { throw FormatError(.notAuthentic, "the manifest is that of another thing") }
        return (parts.header, parts.payload)
    }

    /// Header and payload as they stand, unverified: to show a detached disk, and to find the
    /// wrapped key that verifying needs.
    func openUnverified(kind: ManifestHeader.Kind, id: String) throws(FormatError)
        -> (header: ManifestHeader, payload: [UInt8])
    {
        let parts = try ManifestHeader.split(bytes)
        guard parts.header.kind == kind, parts.header.id == id else {
            throw FormatError(.notAuthentic, "the manifest is that of another thing")
        }
        return (parts.header, parts.payload)
    }
}
