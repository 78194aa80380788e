import COpenSSL

extension SHA256 {
    /// A hash of bytes that come piece by piece.
    public final class Stream {
        private let context: OpaquePointer

        /// Throws `.library`.
        public init() throws(CryptoError) {
            let algorithm = try OpenSSL.sha256.get("SHA-256")
            guard let context = EVP_MD_CTX_new() else { throw OpenSSL.failure("EVP_MD_CTX_new") }
            guard EVP_DigestInit_ex2(context, algorithm, nil) == 1 else {
                EVP_MD_CTX_free(context)
                throw OpenSSL.failure("EVP_DigestInit_ex2 (SHA-256)")
            }
            self.context = context
        }

        deinit { EVP_MD_CTX_free(context) }

        public func add(_ bytes: UnsafeRawBufferPointer) throws(CryptoError) {
            guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
                throw OpenSSL.failure("EVP_DigestUpdate (SHA-256)")
            }
        }

        /// The hash, 32 bytes. Called once.
        public func finish() throws(CryptoError) -> [UInt8] {
            var hash = [UInt8](repeating: 0, count: SHA256.length)
            guard EVP_DigestFinal_ex(context, &hash, nil) == 1 else {
                throw OpenSSL.failure("EVP_DigestFinal_ex (SHA-256)")
            }
            return hash
        }
    }
}
