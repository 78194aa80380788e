import DiskFormat

/// What went wrong with a disk, snapshot or store. `code` is what a caller acts on; `message` says
/// what happened, where, and what to do; neither ever carries keys or plaintext.
public struct DiskError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// No disk, snapshot or store of that name.
        case notFound
        /// The request cannot be met as it is put (size, range, combination).
        case invalid
        /// It exists already.
        case alreadyExists
        /// In use: attached, open, or something depends on it.
        case busy
        /// The disk is not attached, or no disk of the snapshot's lineage is: its key is not here.
        case keyRequired
        /// The KMS is not activated.
        case keyServiceInactive
        /// The KMS or the key check refused the key.
        case keyRefused
        /// The medium is full.
        case noSpace
        /// Stored bytes are not what was sealed: damaged, swapped, truncated, or forged.
        case damaged
        /// The store, or a part of it, is older than its anchor knows it, or was exchanged.
        case rolledBack
        /// The store is of a format version that this program does not read.
        case unsupported
        /// The medium failed.
        case io
        /// The session ended with an earlier failure; detach and attach again.
        case sessionOver
        /// Another process has the store.
        case storeLocked
        /// Another host works with the disk, or with a snapshot or another disk of its lineage.
        case heldElsewhere
        /// The store is a copy that is not whole yet.
        case unfinishedCopy
        /// The store is open read-only, or a snapshot was to be written.
        case readOnly
        /// The user of this process may not use the store, or that file of it.
        case denied
        /// A limit of this version was reached.
        case limit
        /// The host gives this process no more of something: descriptors, locked memory, threads.
        case hostLimit
    }

    public let code: Code
    public let message: String
    /// The error underneath, if there is one.
    public let cause: (any Error)?
    /// The file, in the store's folder, of the chunk it was met in; nil: none, or not known.
    public let chunk: String?

    /// `chunk` is by default that of the cause.
    public init(
        _ code: Code, _ message: String, cause: (any Error)? = nil, chunk: String? = nil
    ) {
        self.code = code
        self.message = message
        self.cause = cause
        self.chunk = chunk ?? (cause as? DiskError)?.chunk
    }

    /// The same, met in this chunk.
    func met(in chunk: String) -> DiskError {
        DiskError(code, message, cause: cause, chunk: chunk)
    }

    /// What is underneath everything, in words: of a failing medium, for instance, the call and
    /// what the host said.
    public var rootCause: String {
        guard let cause else { return message }
        return (cause as? DiskError)?.rootCause ?? "\(cause)"
    }

    public var description: String { message }
}
