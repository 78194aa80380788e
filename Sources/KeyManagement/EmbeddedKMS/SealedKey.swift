import CryptoPrimitives

/// A key sealed under another with AES-256-GCM: nonce (12) ‖ ciphertext ‖ tag (16).
///
/// The nonce is random. SP 800-38D section 8.3 allows 2^32 messages under one key that way: a CMK
/// wraps once per lineage or epoch, a keystore key once per CMK, so both stay far below.
enum SealedKey {
    static func length(ofKey count: Int) -> Int { Nonce.length + count + AESGCMKey.tagLength }

    static func seal(
        _ secret: borrowing SecretBytes, under key: AESGCMKey, boundTo associatedData: [UInt8],
        entropy: any Entropy
    ) throws(CryptoError) -> [UInt8] {
        let nonce = try entropy.bytes(Nonce.length)
        var sealed = nonce + [UInt8](repeating: 0, count: secret.count + AESGCMKey.tagLength)
        let end = Nonce.length + secret.count
        try secret.withUnsafeBytes { (plaintext) throws(CryptoError) in
            try raw(&sealed) { (output) throws(CryptoError) in
                try raw(associatedData) { (associatedData) throws(CryptoError) in
                    try key.withContext { (context) throws(CryptoError) in
                        try context.seal(
                            nonce: Nonce(bytes: nonce), associatedData: associatedData,
                            plaintext: plaintext,
                            ciphertext: .init(rebasing: output[Nonce.length..<end]),
                            tag: .init(rebasing: output[end...]))
                    }
                }
            }
        }
        return sealed
    }

    /// Throws `.invalidLength` if `sealed` is too short for a sealed key, `.authenticationFailed`.
    static func open(
        _ sealed: [UInt8], under key: AESGCMKey, boundTo associatedData: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        let count = sealed.count - length(ofKey: 0)
        guard count > 0 else {
            throw CryptoError(.invalidLength, "\(sealed.count) bytes are too few for a sealed key")
        }
        let end = Nonce.length + count
        return try SecretBytes(count: count) { (plaintext) throws(CryptoError) in
            try raw(sealed) { (input) throws(CryptoError) in
                try raw(associatedData) { (associatedData) throws(CryptoError) in
                    try key.withContext { (context) throws(CryptoError) in
                        try context.open(
                            nonce: Nonce(bytes: Array(sealed[..<Nonce.length])),
                            associatedData: associatedData,
                            ciphertext: .init(rebasing: input[Nonce.length..<end]),
                            tag: .init(rebasing: input[end...]), plaintext: plaintext)
                    }
                }
            }
        }
    }

    // Array's own raw accessors have no typed errors.
    private static func raw(
        _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(CryptoError) -> Void
    ) throws(CryptoError) {
        try bytes.withUnsafeBufferPointer { (elements) throws(CryptoError) in
            try body(UnsafeRawBufferPointer(elements))
        }
    }

    private static func raw(
        _ bytes: inout [UInt8], _ body: (UnsafeMutableRawBufferPointer) throws(CryptoError) -> Void
    ) throws(CryptoError) {
        try bytes.withUnsafeMutableBufferPointer { (elements) throws(CryptoError) in
            try body(UnsafeMutableRawBufferPointer(elements))
        }
    }
}
