import CryptoPrimitives

/// The id of a disk, `d-` and 20 characters of `[a-z0-9]`, as the cloud writes it.
public struct DiskID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let text: String

    /// nil if `text` is not of that form.
    public init?(_ text: String) {
        guard ResourceID.isValid(text, prefix: "d-") else { return nil }
        self.text = text
    }

    /// A new id from 20 random bytes.
    public init(random: [UInt8]) { text = ResourceID.make(prefix: "d-", random: random) }

    public var description: String { text }
    public static func < (a: DiskID, b: DiskID) -> Bool { a.text < b.text }
}

/// The id of a snapshot, `s-` and 20 characters of `[a-z0-9]`.
public struct SnapshotID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let text: String

    /// nil if `text` is not of that form.
    public init?(_ text: String) {
        guard ResourceID.isValid(text, prefix: "s-") else { return nil }
        self.text = text
    }

    /// A new id from 20 random bytes.
    public init(random: [UInt8]) { text = ResourceID.make(prefix: "s-", random: random) }

    public var description: String { text }
    public static func < (a: SnapshotID, b: SnapshotID) -> Bool { a.text < b.text }
}

/// The id of a lineage: 128 random bits, written as 32 hexadecimal digits.
public struct LineageID: Hashable, Sendable, CustomStringConvertible {
    public static let byteCount = 16
    public let bytes: [UInt8]

    /// Precondition: 16 bytes (the callers draw or read exactly that many).
    public init(bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount)
        self.bytes = bytes
    }

    /// nil if `text` is not 32 lower-case hexadecimal digits.
    public init?(_ text: String) {
        guard let bytes = Hex.bytes(text), bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    public var description: String { Hex.text(bytes) }
}

enum ResourceID {
    static let length = 20
    private static let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

    static func isValid(_ text: String, prefix: String) -> Bool {
        let utf8 = text.utf8
        return utf8.count == prefix.utf8.count + length && text.hasPrefix(prefix)
            && utf8.dropFirst(prefix.utf8.count).allSatisfy { alphabet.contains($0) }
    }

    /// Precondition: `length` random bytes. The bias of `% 36` costs 0.1 bit of 103; ids are names,
    /// not secrets.
    static func make(prefix: String, random: [UInt8]) -> String {
        precondition(random.count == length)
        let letters = random.map { alphabet[Int($0) % alphabet.count] }
        return prefix + String(decoding: letters, as: UTF8.self)
    }
}
