import COpenSSL

/// The algorithms this module uses, fetched once for the process (a fetch costs more than sealing a
/// block), and the library's reason for a failure in words.
enum OpenSSL {
    /// An algorithm of OpenSSL. It is reference counted, never freed here, and constant.
    struct Algorithm: @unchecked Sendable {
        // Sendable holds because OpenSSL documents fetched algorithms as usable from any thread
        // (EVP_CIPHER_fetch(3), "multiple threads may share"), and nothing here writes to them.
        let pointer: OpaquePointer?

        func get(_ name: String) throws(CryptoError) -> OpaquePointer {
            guard let pointer else {
                throw CryptoError(
                    .library,
                    "OpenSSL offers no \(name); check its version (3.0 or later) and its providers")
            }
            return pointer
        }
    }

    static let aes256GCM = Algorithm(pointer: EVP_CIPHER_fetch(nil, "AES-256-GCM", nil))
    static let hmac = Algorithm(pointer: EVP_MAC_fetch(nil, "HMAC", nil))
    static let hkdf = Algorithm(pointer: EVP_KDF_fetch(nil, "HKDF", nil))
    static let sha256 = Algorithm(pointer: EVP_MD_fetch(nil, "SHA2-256", nil))

    /// The error for a call that failed, with OpenSSL's latest reason; empties its error queue.
    static func failure(_ call: String) -> CryptoError {
        let number = ERR_peek_last_error()
        ERR_clear_error()
        guard number != 0, let reason = ERR_reason_error_string(number) else {
            return CryptoError(.library, "OpenSSL refused \(call) without a reason")
        }
        return CryptoError(.library, "OpenSSL refused \(call): \(String(cString: reason))")
    }
}

extension [UInt8] {
    /// The bytes as a raw buffer, with typed errors (Array.withUnsafeBytes has none).
    func withRawBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try withUnsafeBufferPointer { (elements) throws(E) -> R in
            try body(UnsafeRawBufferPointer(elements))
        }
    }
}
