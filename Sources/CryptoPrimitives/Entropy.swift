import COpenSSL

/// Where random bytes come from: one of the program's four doors to the outside, so that a
/// simulated run can be a function of its seed.
public protocol Entropy: Sendable {
    /// Fills the whole buffer with bytes fit for keys. Throws `.entropy`.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CryptoError)
}

extension Entropy {
    /// `count` random bytes in ordinary memory: for salts, nonces and identifiers, not for keys
    /// (those come from `SecretBytes.random`).
    public func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBufferPointer { (elements) throws(CryptoError) in
            try fill(UnsafeMutableRawBufferPointer(elements))
        }
        return bytes
    }
}

/// OpenSSL's private generator: a CTR-DRBG of SP 800-90A, seeded by the kernel, separate from the
/// public generator whose output other users of the library may show.
public struct SystemEntropy: Entropy {
    public init() {}

    public func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CryptoError) {
        guard buffer.count > 0 else { return }
        guard let count = Int32(exactly: buffer.count) else {
            throw CryptoError(.invalidLength, "asked for \(buffer.count) random bytes at once")
        }
        guard RAND_priv_bytes(buffer.baseAddress, count) == 1 else {
            let cause = OpenSSL.failure("RAND_priv_bytes")
            throw CryptoError(.entropy, "no random bytes: \(cause.message)")
        }
    }
}
