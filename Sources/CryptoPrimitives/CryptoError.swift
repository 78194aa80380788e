/// What went wrong in a cryptographic call. `code` is what a caller acts on; the text carries
/// names, lengths and the library's reason, never keys or plaintext.
public struct CryptoError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// The data is not what was sealed under this key, nonce and associated data.
        case authenticationFailed
        /// A key, tag, buffer or parameter does not have the length or value that is asked for.
        case invalidLength
        /// Memory for a secret could not be had or locked.
        case lockedMemory
        /// OpenSSL refused, or lacks an algorithm.
        case library
        /// The random generator gave nothing.
        case entropy
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
