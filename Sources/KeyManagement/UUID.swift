import CryptoPrimitives

/// Identifiers of CMKs: UUIDs (RFC 9562) in lower-case text.
package enum UUID {
    /// Of version 4: random.
    static func random(from entropy: some Entropy) throws(CryptoError) -> String {
        text(try entropy.bytes(16), version: 4)
    }

    /// Of version 7: of two, the older one's text sorts first, and the time can be read from it.
    package static func timed(
        _ created: Timestamp, from entropy: some Entropy
    ) throws(CryptoError) -> String {
        let milliseconds = UInt64(max(created.seconds, 0)) * 1000
        let time = withUnsafeBytes(of: milliseconds.bigEndian) { [UInt8]($0.suffix(6)) }
        return text(time + (try entropy.bytes(10)), version: 7)
    }

    /// When an identifier of version 7 was made, to the second; nil if it is none.
    package static func time(of text: String) -> Timestamp? {
        guard let bytes = bytes(text), bytes[6] >> 4 == 7 else { return nil }
        let milliseconds = bytes[..<6].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        return Timestamp(seconds: milliseconds / 1000)
    }

    /// Of version 8: the same one for the same bytes (the beginning of their SHA-256).
    package static func derived(from bytes: [UInt8]) throws(CryptoError) -> String {
        text(Array(try SHA256.hash(bytes)[..<16]), version: 8)
    }

    /// The 16 bytes of an identifier in its one text; nil for anything else.
    package static func bytes(_ text: String) -> [UInt8]? {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        return Hex.bytes(groups.joined())
    }

    /// The text of 16 bytes.
    package static func text(_ bytes: [UInt8]) -> String {
        let groups = [bytes[0..<4], bytes[4..<6], bytes[6..<8], bytes[8..<10], bytes[10...]]
        return groups.map { Hex.text($0) }.joined(separator: "-")
    }

    private static func text(_ bytes: [UInt8], version: UInt8) -> String {
        var bytes = bytes
        bytes[6] = bytes[6] & 0x0f | version << 4
        bytes[8] = bytes[8] & 0x3f | 0x80
        return text(bytes)
    }
}
