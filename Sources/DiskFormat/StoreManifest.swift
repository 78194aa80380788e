import CryptoPrimitives

/// What a store is. Not secret and not authenticated: everything that matters is bound to the
/// lineages' keys, whose wrapping context carries the store's id.
public struct StoreManifest: Codable, Hashable, Sendable {
    public let format: String
    public let version: UInt16
    /// 32 hexadecimal digits.
    public let store: String
    public let account: String
    public let region: String
    public let created: Int64

    public init(store: String, account: String, region: String, created: Int64) {
        format = "sealdisk-store"
        version = Format.version
        self.store = store
        self.account = account
        self.region = region
        self.created = created
    }

    public func encoded() -> [UInt8] { JSONCoding.encode(self) + [UInt8(ascii: "\n")] }

    /// Throws `.malformed`, or `.unsupported` for a store of another version.
    public init(decoding bytes: [UInt8]) throws(FormatError) {
        let kind = try JSONCoding.decode(Kind.self, from: bytes)
        guard kind.format == "sealdisk-store" else { throw Self.malformed }
        guard kind.version == Format.version else {
            throw FormatError(
                .unsupported,
                "the store is of format version \(kind.version), and this program reads version"
                    + " \(Format.version)")
        }
        self = try JSONCoding.decode(StoreManifest.self, from: bytes)
        guard Hex.bytes(store)?.count == 16 else { throw Self.malformed }
    }

    /// What every version has: the other members are those of this one.
    private struct Kind: Codable {
        let format: String
        let version: UInt64
    }

    private static var malformed: FormatError {
        FormatError(.malformed, "not the description of a SealDisk store")
    }
}

/// A size asked for while the disk was detached; unauthenticated, so it may only ask to grow.
public struct PendingSize: Codable, Hashable, Sendable {
    public let size: UInt64

    public init(size: UInt64) { self.size = size }
    public func encoded() -> [UInt8] { JSONCoding.encode(self) }

    /// Throws `.malformed` for anything that is not a valid disk size.
    public init(decoding bytes: [UInt8]) throws(FormatError) {
        self = try JSONCoding.decode(PendingSize.self, from: bytes)
        guard CheckpointRecord.isValidSize(size) else {
            throw FormatError(.malformed, "not a disk size")
        }
    }
}
