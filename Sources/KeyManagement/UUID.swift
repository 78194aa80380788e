import CryptoPrimitives

/// Identifiers of CMKs: UUIDs of version 4 (RFC 9562 section 5.4) in lower-case text.
enum UUID {
    static func random(from entropy: some Entropy) throws(CryptoError) -> String {
        var bytes = try entropy.bytes(16)
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let groups = [bytes[0..<4], bytes[4..<6], bytes[6..<8], bytes[8..<10], bytes[10...]]
        return groups.map { Hex.text($0) }.joined(separator: "-")
    }
}
