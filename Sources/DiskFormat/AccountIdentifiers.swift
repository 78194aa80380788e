/// The id of something an account has besides disks and snapshots: its kind's prefix and 20
/// characters of `[a-z0-9]`, as the cloud writes it.
public struct AccountID<Kind: AccountIDKind>: Hashable, Sendable, Comparable, Codable,
    CustomStringConvertible
{
    public let text: String

    /// nil if `text` is not of that form.
    public init?(_ text: String) {
        guard ResourceID.isValid(text, prefix: Kind.prefix) || Kind.constants.contains(text)
        else { return nil }
        self.text = text
    }

    /// A new id from 20 random bytes.
    public init(random: [UInt8]) { text = ResourceID.make(prefix: Kind.prefix, random: random) }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = Self(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not an id"))
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    public var description: String { text }
    public static func < (a: Self, b: Self) -> Bool { a.text < b.text }
}

/// What an `AccountID` is the id of.
public protocol AccountIDKind {
    static var prefix: String { get }
    /// Ids that are given once and for all.
    static var constants: [String] { get }
}

public enum InstanceKind: AccountIDKind {
    public static let prefix = "i-"
    public static let constants = ["i-local"]
}

public enum ImageKind: AccountIDKind {
    public static let prefix = "m-"
    public static let constants: [String] = []
}

public enum SnapshotPolicyKind: AccountIDKind {
    public static let prefix = "sp-"
    public static let constants: [String] = []
}

/// `i-…`; `i-local` is the host itself.
public typealias InstanceID = AccountID<InstanceKind>
/// `m-…`
public typealias ImageID = AccountID<ImageKind>
/// `sp-…`
public typealias SnapshotPolicyID = AccountID<SnapshotPolicyKind>
