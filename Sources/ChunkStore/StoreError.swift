/// What went wrong in a store. `code` is what a caller acts on; the text is for people and carries
/// names and offsets, never contents.
public struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable {
        case notFound, alreadyExists, noSpace, locked, tooLarge, readOnly
        /// What has the name is nothing that a store makes: a link, a device, a folder in a file's
        /// place, a file that belongs to somebody else or has a second name. It is left alone.
        case foreign
        /// The user of this process may not do this.
        case denied
        /// The medium failed.
        case io
        /// The process or the host has as many files open as it may; nothing was done.
        case tooManyFiles
        /// The object is not of the version that a replacement asked for; nothing was done.
        case conflict
        /// The store would not do it now: nothing was done, as if the call had not been made, and
        /// the same call may succeed later. A server that is overloaded says so, or one that
        /// starts.
        case busy
        /// No answer came in time, or the connection was lost. The call was done or it was not,
        /// of a write any part, and by now that is decided: nothing of it happens later. What is
        /// seen of it from now on is as durable as if the call had returned.
        case unanswered
        /// Another host has taken the store over, or the lease on it could not be renewed in time,
        /// or it cannot be told what became of a change: this session is over. Nothing more of it
        /// reaches the store; what it has there is as after a power cut.
        case fenced

        /// Whether the same call may succeed in a while, with nothing mended meanwhile. Not whether
        /// it may be repeated: `RetryingStore` says for each call whether that does harm.
        public var isTransient: Bool { self == .busy || self == .unanswered }
    }

    public let code: Code
    /// The operation and the name it was about, for instance `write lineages/…/00001.chunk`.
    public let operation: String
    /// The cause in words, for instance strerror's.
    public let cause: String

    public init(_ code: Code, operation: String, cause: String) {
        self.code = code
        self.operation = operation
        self.cause = cause
    }

    public var description: String { "\(operation): \(cause)" }
}
