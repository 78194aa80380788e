import COpenSSL

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    /// Length of a hash in bytes.
    public static let length = 32

    /// The hash of `bytes`, 32 bytes. Throws `.library`.
    public static func hash(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
        try bytes.withRawBytes { (raw) throws(CryptoError) -> [UInt8] in try hash(parts: raw) }
    }

    /// The hash of the parts one after another, 32 bytes. Throws `.library`.
    public static func hash(parts: UnsafeRawBufferPointer...) throws(CryptoError) -> [UInt8] {
        let algorithm = try OpenSSL.sha256.get("SHA-256")
        guard let context = EVP_MD_CTX_new() else { throw OpenSSL.failure("EVP_MD_CTX_new") }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestInit_ex2(context, algorithm, nil) == 1 else {
            throw OpenSSL.failure("EVP_DigestInit_ex2 (SHA-256)")
        }
        for part in parts where part.count > 0 {
            guard EVP_DigestUpdate(context, part.baseAddress, part.count) == 1 else {
                throw OpenSSL.failure("EVP_DigestUpdate (SHA-256)")
            }
        }
        var hash = [UInt8](repeating: 0, count: length)
        var written: UInt32 = 0
        guard EVP_DigestFinal_ex(context, &hash, &written) == 1, written == hash.count else {
            throw OpenSSL.failure("EVP_DigestFinal_ex (SHA-256)")
        }
        return hash
    }
}
