/// What went wrong with keys. `code` is what a caller acts on; the text never carries key material.
public struct KeyError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// The KMS has not been activated (OpenKmsService).
        case notActivated
        /// The keystore could not be unlocked: wrong passphrase or key file, or none given.
        case locked
        /// The CMK that wrapped this key is not here.
        case unknownKey
        /// The key did not unwrap: tampered with, or wrapped for another context.
        case refused
        /// The CMK is disabled, or is waiting to be deleted.
        case disabled
        /// As many uses as a day allows were made.
        case quotaExceeded
        /// The key service was not reached, or did not answer in time; nothing was done.
        case unavailable
        /// The keystore or its log could not be read, written or understood.
        case io
    }

    public let code: Code
    /// What happened, to what, and what to do about it.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
