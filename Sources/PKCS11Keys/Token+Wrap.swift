import CPKCS11
import CryptoPrimitives
import KeyManagement

/// AES-256-GCM inside the token.
extension Token {
    /// nonce (12) ‖ ciphertext ‖ tag (16), as the embedded service wraps.
    func seal(
        _ secret: SharedSecret, under key: TokenKey, nonce: [UInt8], boundTo data: [UInt8]
    ) throws(TokenError) -> [UInt8] {
        let length = secret.count + AESGCMKey.tagLength
        // Room for a module that is generous.
        var sealed = [UInt8](repeating: 0, count: length + 16)
        var written = CK_ULONG(sealed.count)
        let used = try withMechanism(nonce, data) { (mechanism) throws(TokenError) in
            try call("C_EncryptInit") { $0.C_EncryptInit?($1, mechanism, key.handle) }
            try call("C_Encrypt") { functions, session in
                secret.withUnsafeBytes { bytes in
                    // The module reads the plaintext only, in spite of its pointer's type.
                    let plaintext = UnsafeMutablePointer(
                        mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
                    return functions.C_Encrypt?(
                        session, plaintext, CK_ULONG(bytes.count), &sealed, &written)
                }
            }
        }
        guard written == CK_ULONG(length), used.count == nonce.count else {
            throw .found(
                KeyError(.io, "token \(uri.tokenName) wrapped \(written) bytes for \(length)"))
        }
        return used + sealed.prefix(length)
    }

    /// Opens what `seal` gave into `slot`; nil if that went well, else why not. Whatever goes wrong
    /// with the bytes is one refusal: modules tell a wrong tag by codes as vague as
    /// CKR_GENERAL_ERROR.
    func open(
        _ sealed: [UInt8], under key: TokenKey, boundTo data: [UInt8], into slot: SecretSlot
    ) throws(TokenError) -> String? {
        let nonce = Array(sealed.prefix(Nonce.length))
        var input = Array(sealed.dropFirst(Nonce.length))
        let count = input.count - AESGCMKey.tagLength
        guard count > 0 else { return "too short" }
        var failure: TokenError?
        do throws(CryptoError) {
            // Modules ask for room for the tag as well.
            let room = try SecretBytes(count: input.count + 16) { (buffer) throws(CryptoError) in
                do throws(TokenError) {
                    let output = UnsafeMutableBufferPointer(
                        start: buffer.bindMemory(to: UInt8.self).baseAddress, count: buffer.count)
                    try decrypt(&input, nonce, data, key, count, output)
                } catch {
                    failure = error
                }
            }
            if failure == nil {
                slot.put(
                    try room.withUnsafeBytes { (bytes) throws(CryptoError) in
                        try SecretBytes(copying: .init(rebasing: bytes[..<count]))
                    })
            }
        } catch {
            throw .found(KeyError(.io, "cannot hold a data key: \(error.message)"))
        }
        guard let failure else { return nil }
        if failure.isSessionLost || failure.isTokenGone { throw failure }
        guard case .returned("C_Decrypt", let code) = failure else { throw failure }
        return TokenError.name(of: code)
    }

    private func decrypt(
        _ input: inout [UInt8], _ nonce: [UInt8], _ data: [UInt8], _ key: TokenKey, _ count: Int,
        _ output: UnsafeMutableBufferPointer<UInt8>
    ) throws(TokenError) {
        _ = try withMechanism(nonce, data) { (mechanism) throws(TokenError) in
            try call("C_DecryptInit") { $0.C_DecryptInit?($1, mechanism, key.handle) }
            try call("C_Decrypt") { functions, session in
                var written = CK_ULONG(output.count)
                let code = functions.C_Decrypt?(
                    session, &input, CK_ULONG(input.count), output.baseAddress, &written)
                return code == CKR_OK && written != CK_ULONG(count) ? CKR_GENERAL_ERROR : code
            }
        }
    }

    /// Lends CKM_AES_GCM's parameters, and returns the nonce that was used: some modules insist on
    /// making their own, and write it over the one they were given.
    private func withMechanism(
        _ nonce: [UInt8], _ data: [UInt8],
        _ body: (UnsafeMutablePointer<CK_MECHANISM>) throws(TokenError) -> Void
    ) throws(TokenError) -> [UInt8] {
        var (nonce, data) = (nonce, data)
        try nonce.withUnsafeMutableBufferPointer { (nonce) throws(TokenError) in
            try data.withUnsafeMutableBufferPointer { (data) throws(TokenError) in
                var parameters = CK_GCM_PARAMS(
                    pIv: nonce.baseAddress, ulIvLen: CK_ULONG(nonce.count),
                    ulIvBits: CK_ULONG(nonce.count * 8), pAAD: data.baseAddress,
                    ulAADLen: CK_ULONG(data.count), ulTagBits: CK_ULONG(AESGCMKey.tagLength * 8))
                try withUnsafeMutablePointer(to: &parameters) { (parameters) throws(TokenError) in
                    var mechanism = CK_MECHANISM(
                        mechanism: CKM_AES_GCM, pParameter: UnsafeMutableRawPointer(parameters),
                        ulParameterLen: UInt(MemoryLayout<CK_GCM_PARAMS>.size))
                    try body(&mechanism)
                }
            }
        }
        return nonce
    }
}
