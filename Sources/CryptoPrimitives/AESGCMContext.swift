import COpenSSL

/// A keyed cipher context, borrowed from its key's pool by one thread (`AESGCMKey.withContext`).
///
/// One message at a time: `begin…`, parts, `finish…`, or a whole message with `seal` and `open`.
/// Nothing here allocates. A message left unfinished is forgotten by the next `begin…`.
public struct AESGCMContext: ~Copyable {
    /// nil if there was no memory for a context; then every call throws `.library`.
    let context: OpaquePointer?

    // MARK: Sealing in parts

    /// Begins a message. ▲ `nonce` must never have been used to seal other content under this key.
    public func beginSeal(nonce: Nonce) throws(CryptoError) {
        let context = try usable()
        let begun = nonce.withUnsafeBytes {
            EVP_EncryptInit_ex2(
                context, nil, nil, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), nil)
        }
        guard begun == 1 else { throw OpenSSL.failure("EVP_EncryptInit_ex2") }
    }

    /// Seals the next `input.count` bytes into as many at `output`, which may be where they are.
    public func sealPart(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer
    ) throws(CryptoError) {
        try sealUpdate(input, into: output)
    }

    /// Ends the message and writes its tag, 16 bytes.
    public func finishSeal(tag: UnsafeMutableRawPointer) throws(CryptoError) {
        let context = try usable()
        // GCM is a stream: the end writes no bytes, but the call wants a place for them.
        var (none, written) = (UInt8(0), Int32(0))
        guard EVP_EncryptFinal_ex(context, &none, &written) == 1,
            EVP_CIPHER_CTX_ctrl(
                context, EVP_CTRL_AEAD_GET_TAG, Int32(AESGCMKey.tagLength), tag) == 1
        else { throw OpenSSL.failure("EVP_EncryptFinal_ex") }
    }

    // MARK: Opening in parts

    /// Begins a message that was sealed with `nonce`.
    public func beginOpen(nonce: Nonce) throws(CryptoError) {
        let context = try usable()
        let begun = nonce.withUnsafeBytes {
            EVP_DecryptInit_ex2(
                context, nil, nil, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), nil)
        }
        guard begun == 1 else { throw OpenSSL.failure("EVP_DecryptInit_ex2") }
    }

    /// Deciphers the next `input.count` bytes to `output`, which may be where they are.
    /// ▲ What it writes is unverified, and nobody's to read, until `finishOpen` returned true.
    public func openPartUnverified(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer
    ) throws(CryptoError) {
        try openUpdate(input, into: output)
    }

    /// Whether everything since `beginOpen` is authentic under this 16-byte tag.
    public func finishOpen(tag: UnsafeRawPointer) -> Bool {
        guard let context else { return false }
        var (none, written) = (UInt8(0), Int32(0))
        // The library only reads the tag; its parameter lacks the const.
        let authentic =
            EVP_CIPHER_CTX_ctrl(
                context, EVP_CTRL_AEAD_SET_TAG, Int32(AESGCMKey.tagLength),
                UnsafeMutableRawPointer(mutating: tag)) == 1
            && EVP_DecryptFinal_ex(context, &none, &written) == 1
        // A refused message must not leave its reason for the next failure to report.
        if !authentic { ERR_clear_error() }
        return authentic
    }
}

extension AESGCMContext {
    func usable() throws(CryptoError) -> OpaquePointer {
        guard let context else {
            throw CryptoError(.library, "OpenSSL had no memory for a cipher context")
        }
        return context
    }

    /// `output` nil: the input is associated data.
    func sealUpdate(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer?
    ) throws(CryptoError) {
        let context = try usable()
        // OpenSSL reads an update without a pointer as the end of the message.
        guard input.count > 0 else { return }
        let count = try Self.length(input)
        var written: Int32 = 0
        guard
            EVP_EncryptUpdate(
                context, output?.assumingMemoryBound(to: UInt8.self), &written,
                input.baseAddress?.assumingMemoryBound(to: UInt8.self), count) == 1
        else { throw OpenSSL.failure("EVP_EncryptUpdate") }
    }

    /// `output` nil: the input is associated data.
    func openUpdate(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer?
    ) throws(CryptoError) {
        let context = try usable()
        guard input.count > 0 else { return }
        let count = try Self.length(input)
        var written: Int32 = 0
        guard
            EVP_DecryptUpdate(
                context, output?.assumingMemoryBound(to: UInt8.self), &written,
                input.baseAddress?.assumingMemoryBound(to: UInt8.self), count) == 1
        else { throw OpenSSL.failure("EVP_DecryptUpdate") }
    }

    private static func length(_ input: UnsafeRawBufferPointer) throws(CryptoError) -> Int32 {
        guard let count = Int32(exactly: input.count) else {
            throw CryptoError(.invalidLength, "a part of \(input.count) bytes exceeds 2 GiB")
        }
        return count
    }
}
