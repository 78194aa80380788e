import CryptoPrimitives

/// What stands in place of a store's manifest, in `store.json`, as long as the store is being
/// copied from another place: which store it is to become. The manifest takes its place at once,
/// when all else is there and verified.
public struct UnfinishedCopy: Codable, Hashable, Sendable {
    public let format: String
    public let version: UInt16
    /// The store's id, 32 hexadecimal digits. Where the store is copied from is not told: any other
    /// copy of it will do to go on.
    public let store: String

    private static let format = "sealdisk-copy"

    public init(of store: String) {
        format = Self.format
        version = Format.version
        self.store = store
    }

    public func encoded() -> [UInt8] { JSONCoding.encode(self) + [UInt8(ascii: "\n")] }

    /// Throws `.malformed` for anything else, also for a store's manifest.
    public init(decoding bytes: [UInt8]) throws(FormatError) {
        self = try JSONCoding.decode(UnfinishedCopy.self, from: bytes)
        guard format == Self.format, version == Format.version, Hex.bytes(store)?.count == 16 else {
            throw FormatError(.malformed, "not the mark of a copy that is not finished")
        }
    }
}
