import COpenSSL

extension AESGCMContext {
    /// Seals a whole message. `ciphertext` has the plaintext's length and may be the same memory;
    /// `tag` has 16 bytes. ▲ `nonce` must never have sealed other content under this key.
    /// Throws `.invalidLength`, `.library`.
    public func seal(
        nonce: Nonce, associatedData: UnsafeRawBufferPointer, plaintext: UnsafeRawBufferPointer,
        ciphertext: UnsafeMutableRawBufferPointer, tag: UnsafeMutableRawBufferPointer
    ) throws(CryptoError) {
        let tagStart = UnsafeMutableRawPointer(
            mutating: try Self.check(
                input: plaintext.count, output: ciphertext.count,
                tag: UnsafeRawBufferPointer(tag)))
        try beginSeal(nonce: nonce)
        try sealUpdate(associatedData, into: nil)
        if let output = ciphertext.baseAddress { try sealUpdate(plaintext, into: output) }
        try finishSeal(tag: tagStart)
    }

    /// Opens a whole message. `plaintext` has the ciphertext's length and may be the same memory.
    /// Throws `.authenticationFailed`, `.invalidLength`, `.library`; whatever it throws,
    /// `plaintext` holds only zeros afterwards.
    public func open(
        nonce: Nonce, associatedData: UnsafeRawBufferPointer, ciphertext: UnsafeRawBufferPointer,
        tag: UnsafeRawBufferPointer, plaintext: UnsafeMutableRawBufferPointer
    ) throws(CryptoError) {
        do throws(CryptoError) {
            let tagStart = try Self.check(
                input: ciphertext.count, output: plaintext.count, tag: tag)
            try beginOpen(nonce: nonce)
            try openUpdate(associatedData, into: nil)
            if let output = plaintext.baseAddress { try openUpdate(ciphertext, into: output) }
            guard finishOpen(tag: tagStart) else {
                throw CryptoError(
                    .authenticationFailed,
                    "a sealed message of \(ciphertext.count) bytes is not authentic: it was"
                        + " altered, or sealed under another key or for another place")
            }
        } catch {
            OPENSSL_cleanse(plaintext.baseAddress, plaintext.count)
            throw error
        }
    }

    private static func check(
        input: Int, output: Int, tag: UnsafeRawBufferPointer
    ) throws(CryptoError) -> UnsafeRawPointer {
        guard input == output else {
            throw CryptoError(
                .invalidLength, "\(input) bytes of input do not fit \(output) bytes of output")
        }
        guard tag.count == AESGCMKey.tagLength, let start = tag.baseAddress else {
            throw CryptoError(.invalidLength, "a tag has 16 bytes, not \(tag.count)")
        }
        return start
    }
}
