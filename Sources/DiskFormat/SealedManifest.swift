import CryptoPrimitives

/// A manifest as it is stored: a header line, the payload, and a MAC over both.
///
/// ```
/// sealdisk-manifest 1 TYPE ID LINEAGE VERSION\n
/// {JSON payload, no line feed inside}\n           two of them in a lineage's: the key, the rest
/// hmac-sha-256 64 hexadecimal digits\n
/// ```
/// TYPE is `lineage`, `disk` or `snapshot`; VERSION counts the manifest's changes. The MAC covers
/// every byte before its own line, under the lineage's manifest key, and is verified before the
/// payload is parsed; but for a lineage's key line, which leads to that key and is short. Only
/// `ManifestHeader.seal` makes one.
public struct SealedManifest: Sendable {
    public let bytes: [UInt8]
}

/// What the first line of a manifest says of it.
public struct ManifestHeader: Hashable, Sendable {
    public enum Kind: String, Sendable {
        case lineage, disk, snapshot

        /// Bytes; a larger one is neither written nor read.
        public var maximumSize: Int {
            self == .lineage ? Format.maximumLineageManifestSize : Format.maximumManifestSize
        }

        var payloadLines: Int { self == .lineage ? 2 : 1 }
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
    private static let lineFeed = UInt8(ascii: "\n")

    var line: String {
        "\(Self.magic) \(Format.version) \(kind.rawValue) \(id) \(lineage) \(version)\n"
    }

    /// The manifest of this header and payload, authenticated. Throws `.limit` for one that is too
    /// large to be read again. Precondition: as many payload lines as the kind has, and no line
    /// feed in them, which the JSON coder never writes.
    func seal(_ payload: [[UInt8]], with keys: LineageKeys) throws -> SealedManifest {
        precondition(payload.count == kind.payloadLines)
        precondition(payload.allSatisfy { !$0.contains(Self.lineFeed) })
        let authenticated = Array(line.utf8) + payload.flatMap { $0 + [Self.lineFeed] }
        let mac = try keys.manifestKey.authenticate(authenticated)
        let bytes = authenticated + Array("\(Self.macLabel) \(Hex.text(mac))\n".utf8)
        guard bytes.count <= kind.maximumSize, version < Format.maximumCount else {
            throw FormatError(
                .limit,
                "the manifest of \(kind.rawValue) \(id) would have \(bytes.count) bytes, more than"
                    + " the \(kind.maximumSize) it may have")
        }
        return SealedManifest(bytes: bytes)
    }

    /// Splits stored bytes into header, payload and MAC, believing none of them.
    static func split(_ bytes: [UInt8]) throws(FormatError) -> (
        header: ManifestHeader, payload: [ArraySlice<UInt8>], authenticated: ArraySlice<UInt8>,
        mac: [UInt8]
    ) {
        let lines = bytes.split(
            separator: lineFeed, maxSplits: 4, omittingEmptySubsequences: false)
        guard let line = lines.first, line.count <= maximumLine,
            let first = String(validating: line, as: UTF8.self)
        else { throw FormatError(.malformed, "the manifest is cut off or not a manifest") }
        let words = first.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 6, words[0] == Self.magic else {
            throw FormatError(.malformed, "the manifest does not begin as one")
        }
        guard words[1] == "\(Format.version)" else {
            throw FormatError(.unsupported, "the manifest is of format version \(words[1])")
        }
        guard let kind = Kind(rawValue: String(words[2])),
            let lineage = LineageID(String(words[4])), let version = UInt64(words[5]),
            version < Format.maximumCount
        else { throw FormatError(.malformed, "the manifest's first line makes no sense") }
        let header = ManifestHeader(
            kind: kind, id: String(words[3]), lineage: lineage, version: version)
        let count = kind.payloadLines + 2
        guard bytes.count <= kind.maximumSize, lines.count == count + 1, lines[count].isEmpty,
            let mac = mac(lines[count - 1])
        else { throw FormatError(.malformed, "the manifest is cut off or not a manifest") }
        return (
            header, Array(lines[1..<count - 1]), bytes[..<lines[count - 1].startIndex], mac
        )
    }

    private static func mac(_ line: ArraySlice<UInt8>) -> [UInt8]? {
        guard line.count <= maximumLine, let text = String(validating: line, as: UTF8.self) else {
            return nil
        }
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        return words.count == 2 && words[0] == macLabel ? Hex.bytes(String(words[1])) : nil
    }

    /// Of the first line, and of the last.
    private static let maximumLine = 256
}

/// Manifest bytes as a store returned them.
public struct UnopenedManifest: Sendable {
    private let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The payload, verified. Throws `.notAuthentic` if the MAC is not the lineage's, or the
    /// manifest is that of another thing.
    func open(kind: ManifestHeader.Kind, id: String, with keys: LineageKeys) throws
        -> (header: ManifestHeader, payload: [ArraySlice<UInt8>])
    {
        let parts = try ManifestHeader.split(bytes)
        guard try keys.manifestKey.verify(parts.mac, for: Array(parts.authenticated)) else {
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
        -> (header: ManifestHeader, payload: [ArraySlice<UInt8>])
    {
        let parts = try ManifestHeader.split(bytes)
        guard parts.header.kind == kind, parts.header.id == id else {
            throw FormatError(.notAuthentic, "the manifest is that of another thing")
        }
        return (parts.header, parts.payload)
    }
}
