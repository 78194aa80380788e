import CryptoPrimitives

/// The id of a request: a random UUID (RFC 9562, version 4) in capitals, as the cloud writes it.
enum RequestID {
    /// Stands in a reply when there was no randomness to make one from.
    static let none = "00000000-0000-0000-0000-000000000000"

    static func make(from entropy: any Entropy) throws(CryptoError) -> String {
        var bytes = try entropy.bytes(16)
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            if byte < 16 { text += "0" }
            text += String(byte, radix: 16, uppercase: true)
        }
        return text
    }
}
