import COpenSSL

/// An AES-256-GCM key (SP 800-38D) and the cipher contexts keyed with it.
///
/// Keying a context costs more than sealing a block, so contexts are kept and only the nonce is set
/// for each message. Invariant: a context is either in `idle` or lent to exactly one `withContext`.
///
/// A context lies in OpenSSL's ordinary memory and holds the key. A key that is used seldom and
/// protects much does without kept ones: its only copy between uses is in locked memory.
public final class AESGCMKey: Sendable {
    public static let keyLength = 32
    /// Length of a tag in bytes; shorter tags are not offered.
    public static let tagLength = 16

    private let key: SecretBytes
    private let idle: IdleContexts?

    /// Copies the key. With `keepsContexts` false, OpenSSL has it only while it is in use.
    /// Throws `.invalidLength` unless it has 32 bytes, `.lockedMemory`, `.library`.
    public init(_ key: borrowing SecretBytes, keepsContexts: Bool = true) throws(CryptoError) {
        guard key.count == Self.keyLength else {
            throw CryptoError(.invalidLength, "an AES-256 key has 32 bytes, not \(key.count)")
        }
        let copy = try key.withUnsafeBytes { (bytes) throws(CryptoError) -> SecretBytes in
            try SecretBytes(copying: bytes)
        }
        let first = try Self.makeContext(copy)
        self.key = copy
        idle = keepsContexts ? IdleContexts() : nil
        giveBack(first)
    }

    private func giveBack(_ context: OpaquePointer) {
        if let idle { idle.put(context) } else { EVP_CIPHER_CTX_free(context) }  // wipes it
    }

    /// Lends a context to this thread for the time of the call. Calls may nest and may run at once;
    /// each has a context of its own.
    public func withContext<R: ~Copyable, E: Error>(
        _ body: (borrowing AESGCMContext) throws(E) -> R
    ) throws(E) -> R {
        guard let context = idle?.take() ?? (try? Self.makeContext(key)) else {
            // There was no memory for one: every call on this one reports it.
            return try body(AESGCMContext(context: nil))
        }
        defer { giveBack(context) }
        return try body(AESGCMContext(context: context))
    }

    private static func makeContext(
        _ key: borrowing SecretBytes
    ) throws(CryptoError) -> OpaquePointer {
        let cipher = try OpenSSL.aes256GCM.get("AES-256-GCM")
        guard let context = EVP_CIPHER_CTX_new() else {
            throw OpenSSL.failure("EVP_CIPHER_CTX_new")
        }
        let keyed = key.withUnsafeBytes {
            EVP_EncryptInit_ex2(
                context, cipher, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), nil, nil)
        }
        guard keyed == 1 else {
            EVP_CIPHER_CTX_free(context)
            throw OpenSSL.failure("EVP_EncryptInit_ex2")
        }
        return context
    }
}
