/// Stored bytes that are not what the format says: what was read, and what is wrong with it.
public struct FormatError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// Not authentic under the key: changed, moved, or sealed by somebody else.
        case notAuthentic
        /// Authentic or not, its fields make no sense.
        case malformed
        /// Written by a version or suite that this program does not read.
        case unsupported
        /// More than the format can hold; nothing was written.
        case limit
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
