import CryptoPrimitives

/// A key for the drawer: 256 random bits, written down once, that open a keystore when everything
/// else is lost.
///
/// Its text is 56 letters and digits of Crockford's base 32 in groups of four: the key (32 bytes)
/// and a checksum (3), the first bytes of SHA-256("sealdisk recovery key" ‖ key), that tells a slip
/// of the pen. Case, blanks and hyphens do not matter; O is 0, I and L are 1.
enum RecoveryKey {
    static let length = 32
    private static let checkLength = 3
    private static let symbols = 56
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// The text to write down. It lies in ordinary memory: it is to be printed.
    static func text(_ key: borrowing SecretBytes) throws(CryptoError) -> String {
        let bytes = key.withUnsafeBytes { [UInt8]($0) } + (try check(key))
        var text: [UInt8] = []
        var pending: UInt32 = 0
        var bits = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                if text.count % 5 == 4 { text.append(UInt8(ascii: "-")) }
                text.append(alphabet[Int(pending >> UInt32(bits) & 31)])
            }
            pending &= (1 << UInt32(bits)) - 1
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The key that a text stands for; nil if it is no recovery key's. Throws `.io`.
    static func decoded(_ text: borrowing SecretBytes) throws(KeyError) -> SecretBytes? {
        var count = 0
        var isText = true
        let all = try withCrypto("hold a recovery key") { () throws(CryptoError) in
            try SecretBytes(count: length + checkLength) { bytes in
                (count, isText) = text.withUnsafeBytes { decode($0, into: bytes) }
            }
        }
        guard isText, count == symbols else { return nil }
        return try withCrypto("hold a recovery key") { () throws(CryptoError) -> SecretBytes? in
            let key = try all.withUnsafeBytes { (bytes) throws(CryptoError) in
                try SecretBytes(copying: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
            }
            let right = try check(key)
            guard all.withUnsafeBytes({ $0[length...].elementsEqual(right) }) else { return nil }
            return key
        }
    }

    /// How many symbols there are, and whether there is nothing else.
    private static func decode(
        _ text: UnsafeRawBufferPointer, into bytes: UnsafeMutableRawBufferPointer
    ) -> (Int, Bool) {
        var (count, bits, position) = (0, 0, 0)
        var pending: UInt32 = 0
        for character in text {
            if [UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "\n"), UInt8(ascii: "\r")]
                .contains(character)
            {
                continue
            }
            guard let value = value(of: character) else { return (count, false) }
            count += 1
            guard count <= symbols else { return (count, false) }
            pending = (pending << 5 | value) & 0xffff
            bits += 5
            if bits >= 8 {
                bits -= 8
                bytes[position] = UInt8(truncatingIfNeeded: pending >> UInt32(bits))
                position += 1
            }
        }
        return (count, true)
    }

    private static func value(of character: UInt8) -> UInt32? {
        var letter = character
        if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(letter) { letter -= 32 }
        switch letter {
        case UInt8(ascii: "O"): letter = UInt8(ascii: "0")
        case UInt8(ascii: "I"), UInt8(ascii: "L"): letter = UInt8(ascii: "1")
        default: break
        }
        return alphabet.firstIndex(of: letter).map { UInt32($0) }
    }

    private static func check(_ key: borrowing SecretBytes) throws(CryptoError) -> [UInt8] {
        let label = Array("sealdisk recovery key".utf8)
        let hash = try key.withUnsafeBytes { (key) throws(CryptoError) in
            try SHA256.hash(label + key)
        }
        return Array(hash.prefix(checkLength))
    }
}
