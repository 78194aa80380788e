import COpenSSL

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    /// The hash of `bytes`, 32 bytes. Throws `.library`.
    public static func hash(_ bytes: [UInt8]) throws(CryptoError) -> [UInt8] {
        let algorithm = try OpenSSL.sha256.get("SHA-256")
        var hash = [UInt8](repeating: 0, count: 32)
        var written: UInt32 = 0
        guard EVP_Digest(bytes, bytes.count, &hash, &written, algorithm, nil) == 1,
            written == hash.count
        else { throw OpenSSL.failure("EVP_Digest (SHA-256)") }
        return hash
    }
}
