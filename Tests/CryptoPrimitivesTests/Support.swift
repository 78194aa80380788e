import CryptoPrimitives

/// Bytes of hexadecimal text; spaces are for reading. Fails the test on a typing error.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.map { UInt8(String($0), radix: 16)! }
    precondition(digits.count.isMultiple(of: 2), "half a byte in a vector")
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

func secret(_ bytes: [UInt8]) throws(CryptoError) -> SecretBytes {
    try SecretBytes(count: bytes.count) { $0.copyBytes(from: bytes) }
}

extension SecretBytes {
    var revealed: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

struct Sealed: Equatable {
    var ciphertext: [UInt8]
    var tag: [UInt8]
}

extension AESGCMKey {
    func seal(_ plaintext: [UInt8], nonce: Nonce, aad: [UInt8] = []) throws -> Sealed {
        var sealed = Sealed(
            ciphertext: Array(repeating: 0xEE, count: plaintext.count),
            tag: Array(repeating: 0xEE, count: AESGCMKey.tagLength))
        try sealed.ciphertext.withUnsafeMutableBytes { ciphertext in
            try sealed.tag.withUnsafeMutableBytes { tag in
                try plaintext.withUnsafeBytes { plaintext in
                    try aad.withUnsafeBytes { aad in
                        try withContext {
                            try $0.seal(
                                nonce: nonce, associatedData: aad, plaintext: plaintext,
                                ciphertext: ciphertext, tag: tag)
                        }
                    }
                }
            }
        }
        return sealed
    }

    /// The plaintext buffer after the call, and the error if there was one.
    func open(
        _ sealed: Sealed, nonce: Nonce, aad: [UInt8] = [], outputCount: Int? = nil
    ) -> (buffer: [UInt8], error: CryptoError?) {
        var buffer = [UInt8](repeating: 0xEE, count: outputCount ?? sealed.ciphertext.count)
        do {
            try buffer.withUnsafeMutableBytes { plaintext in
                try sealed.ciphertext.withUnsafeBytes { ciphertext in
                    try sealed.tag.withUnsafeBytes { tag in
                        try aad.withUnsafeBytes { aad in
                            try withContext {
                                try $0.open(
                                    nonce: nonce, associatedData: aad, ciphertext: ciphertext,
                                    tag: tag, plaintext: plaintext)
                            }
                        }
                    }
                }
            }
            return (buffer, nil)
        } catch {
            return (buffer, error as? CryptoError)
        }
    }
}

/// Numbers that follow from a seed (SplitMix64), for messages without meaning.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}
