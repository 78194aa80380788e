import COpenSSL

/// An HMAC-SHA-256 key (FIPS 198-1). Calls may be made from any thread.
public final class HMACKey: Sendable {
    /// Length of a tag in bytes.
    public static let tagLength = 32

    private let keyed: Keyed

    /// An EVP_MAC_CTX that holds the key; messages are authenticated in copies of it.
    private struct Keyed: @unchecked Sendable {
        // Sendable holds because the context is only copied from after init, which reads it.
        let context: OpaquePointer
    }

    /// Takes a key of any length (32 bytes are its full strength).
    /// Throws `.library`.
    public init(_ key: borrowing SecretBytes) throws(CryptoError) {
        guard let context = EVP_MAC_CTX_new(try OpenSSL.hmac.get("HMAC")) else {
            throw OpenSSL.failure("EVP_MAC_CTX_new")
        }
        let digest: StaticString = "SHA2-256"
        let parameters = [
            // The library reads the name and does not write; its field lacks the const.
            OSSL_PARAM_construct_utf8_string(
                ("digest" as StaticString).cString, UnsafeMutablePointer(mutating: digest.cString),
                0),
            OSSL_PARAM_construct_end(),
        ]
        let keyed = key.withUnsafeBytes {
            EVP_MAC_init(
                context, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count, parameters)
        }
        guard keyed == 1 else {
            EVP_MAC_CTX_free(context)
            throw OpenSSL.failure("EVP_MAC_init (HMAC)")
        }
        self.keyed = Keyed(context: context)
    }

    deinit {
        // Wipes the key inside.
        EVP_MAC_CTX_free(keyed.context)
    }

    /// The tag of the parts one after another, 32 bytes.
    public func authenticate(_ parts: UnsafeRawBufferPointer...) throws(CryptoError) -> [UInt8] {
        try authenticate(parts: parts)
    }

    /// The tag of `bytes`, 32 bytes.
    public func authenticate(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
        try bytes.withRawBytes { (raw) throws(CryptoError) -> [UInt8] in
            try authenticate(parts: [raw])
        }
    }

    /// Whether `tag` is the tag of `bytes`; takes the same time wherever it differs.
    public func verify(_ tag: [UInt8], for bytes: [UInt8]) throws(CryptoError) -> Bool {
        constantTimeEqual(tag, try authenticate(bytes))
    }

    private func authenticate(parts: [UnsafeRawBufferPointer]) throws(CryptoError) -> [UInt8] {
        guard let context = EVP_MAC_CTX_dup(keyed.context) else {
            throw OpenSSL.failure("EVP_MAC_CTX_dup")
        }
        defer { EVP_MAC_CTX_free(context) }
        for part in parts where part.count > 0 {
            let start = part.baseAddress?.assumingMemoryBound(to: UInt8.self)
            guard EVP_MAC_update(context, start, part.count) == 1 else {
                throw OpenSSL.failure("EVP_MAC_update")
            }
        }
        var tag = [UInt8](repeating: 0, count: Self.tagLength)
        var written = 0
        guard EVP_MAC_final(context, &tag, &written, tag.count) == 1, written == tag.count else {
            throw OpenSSL.failure("EVP_MAC_final")
        }
        return tag
    }
}
