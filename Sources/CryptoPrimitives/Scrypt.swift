import COpenSSL

/// scrypt (RFC 7914): a key from a passphrase, made costly in memory and time to guess.
public enum Scrypt {
    /// `count` bytes from a passphrase. Takes about 128·N·r bytes of memory.
    ///
    /// `cost` (N) is a power of two above 1. Whoever reads the parameters from a file bounds them
    /// first. Throws `.invalidLength` for parameters RFC 7914 does not allow, `.library`.
    public static func derive(
        passphrase: borrowing SecretBytes, salt: [UInt8], cost: UInt64, blockSize: UInt32,
        parallelization: UInt32, count: Int
    ) throws(CryptoError) -> SecretBytes {
        // RFC 7914 section 2 bounds p·r below 2^30; the rest keeps the products below in 64 bits.
        guard cost > 1, cost & (cost - 1) == 0, cost <= 1 << 32, blockSize > 0,
            parallelization > 0, UInt64(blockSize) * UInt64(parallelization) < 1 << 30, count > 0
        else {
            throw CryptoError(
                .invalidLength,
                "scrypt does not take N=\(cost), r=\(blockSize), p=\(parallelization)")
        }
        let (r, p) = (UInt64(blockSize), UInt64(parallelization))
        // OpenSSL refuses to use more memory than it is told: what these parameters need.
        let (large, overflow) = (128 * r).multipliedReportingOverflow(by: cost + p + 2)
        guard !overflow else {
            throw CryptoError(.invalidLength, "scrypt with N=\(cost), r=\(r) exceeds all memory")
        }
        return try passphrase.withUnsafeBytes { (pass) throws(CryptoError) -> SecretBytes in
            try SecretBytes(count: count) { (output) throws(CryptoError) in
                let done = EVP_PBE_scrypt(
                    pass.baseAddress?.assumingMemoryBound(to: CChar.self), pass.count, salt,
                    salt.count, cost, r, p, large,
                    output.baseAddress?.assumingMemoryBound(to: UInt8.self), output.count)
                guard done == 1 else { throw OpenSSL.failure("EVP_PBE_scrypt") }
            }
        }
    }
}
