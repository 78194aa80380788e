import DiskEngine
import Glibc

/// Why a file operation was refused: the errno that the kernel hands to the caller, and a text for
/// the log.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    public let errno: Int32
    public let message: String

    public init(_ errno: Int32, _ message: String) {
        self.errno = errno
        self.message = message
    }

    public init(_ error: DiskError) {
        self.init(Self.errno(for: error.code), error.message)
    }

    public var description: String { message }

    /// The one table from the engine's codes to errno, for every operation on a mounted file.
    /// (`control` has the table of the control plane, which speaks of requests, not of files.)
    ///
    /// | code | errno | as the caller reads it |
    /// |---|---|---|
    /// | notFound | ENOENT | no such disk or snapshot |
    /// | invalid | EINVAL | the size or range cannot be |
    /// | alreadyExists | EEXIST | |
    /// | busy, storeLocked, heldElsewhere, unfinishedCopy | EBUSY | somebody uses or makes it |
    /// | keyRequired, keyServiceInactive | ENOKEY | the key is not here: attach the disk |
    /// | keyRefused | EKEYREJECTED | the KMS or the key check said no |
    /// | noSpace | ENOSPC | the store's medium is full |
    /// | damaged, io, sessionOver | EIO | the data cannot be had, or not be made durable |
    /// | rolledBack | ESTALE | the store, or a part of it, is older than its anchor knows it |
    /// | unsupported | EOPNOTSUPP | the store is of another version |
    /// | readOnly | EROFS | |
    /// | denied | EACCES | the daemon's user may not use that file of the store |
    /// | limit | EDQUOT | a limit of this version |
    /// | hostLimit | ENFILE | the host gives no more descriptors, locked memory or threads |
    public static func errno(for code: DiskError.Code) -> Int32 {
        switch code {
        case .notFound: ENOENT
        case .invalid: EINVAL
        case .alreadyExists: EEXIST
        case .busy, .storeLocked, .heldElsewhere, .unfinishedCopy: EBUSY
        case .keyRequired, .keyServiceInactive: ENOKEY
        case .keyRefused: EKEYREJECTED
        case .noSpace: ENOSPC
        case .damaged, .io, .sessionOver: EIO
        case .rolledBack: ESTALE
        case .unsupported: EOPNOTSUPP
        case .readOnly: EROFS
        case .denied: EACCES
        case .limit: EDQUOT
        case .hostLimit: ENFILE
        }
    }
}
