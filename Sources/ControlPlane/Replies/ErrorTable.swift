import ChunkStore
import DiskEngine
import Glibc
import KeyManagement

// The one table of errors at this edge: an engine's or KMS's code → a code of the API → a kind →
// the errno of the `control` file and the exit code of the command line.

/// What a caller can do about a refusal; two errors of one kind are handled alike.
public enum ErrorKind: String, Sendable, CaseIterable {
    /// The request breaks a rule or is not understood.
    case invalid
    /// What it names does not exist.
    case notFound
    /// What it would make exists.
    case exists
    /// What it needs is in use, or in a state that does not allow it.
    case busy
    /// A key is needed that is not here: KMS not activated, keystore locked, key refused.
    case keyRequired
    /// The store is full.
    case noSpace
    /// A limit was reached.
    case quota
    /// It is not allowed at all, or not here.
    case denied
    /// Stored data is damaged, or storage failed.
    case failed

    /// With which `write(2)` on `control` fails.
    public var errno: Int32 {
        switch self {
        case .invalid: EINVAL
        case .notFound: ENOENT
        case .exists: EEXIST
        case .busy: EBUSY
        case .keyRequired: ENOKEY
        case .noSpace: ENOSPC
        case .quota: EDQUOT
        case .denied: EPERM
        case .failed: EIO
        }
    }

    /// With which `sealdisk` ends (0 is success, 1 an unforeseen failure, 64 a command line that is
    /// not understood).
    public var exitCode: Int32 {
        switch self {
        case .invalid: 2
        case .notFound: 3
        case .exists: 4
        case .busy: 5
        case .keyRequired: 6
        case .noSpace, .quota: 7
        case .failed: 8
        case .denied: 9
        }
    }
}

/// The codes of refusals. The vendor's where it has one; `invalidParameter` and the not-found code
/// of parameters are followed by the parameter's name: `InvalidParameter.NewSize`.
public enum ErrorCode: String, Sendable, CaseIterable {
    // The request.
    case invalidAction = "InvalidAction.NotFound"
    case malformedRequest = "InvalidRequest.Malformed"
    case missingParameter = "MissingParameter"
    case invalidParameter = "InvalidParameter"
    case dryRun = "DryRunOperation"
    case tokenMismatch = "IdempotentParameterMismatch"
    case regionNotFound = "InvalidRegionId.NotFound"
    // Resources.
    case diskNotFound = "InvalidDiskId.NotFound"
    case snapshotNotFound = "InvalidSnapshotId.NotFound"
    case instanceNotFound = "InvalidInstanceId.NotFound"
    case imageNotFound = "InvalidImageId.NotFound"
    case policyNotFound = "InvalidAutoSnapshotPolicyId.NotFound"
    case storeNotFound = "InvalidStore.NotFound"
    case storeNotSupported = "InvalidStore.NotSupported"
    case sourceSnapshotGone = "InvalidSourceSnapshot"
    case snapshotOfOtherDisk = "InvalidSnapshotId.SourceDiskMismatch"
    case alreadyExists = "AlreadyExists"
    case nameTaken = "AlreadyExists.Name"
    // State.
    case diskStatus = "IncorrectDiskStatus"
    case snapshotInUse = "IncorrectSnapshotStatus.InUse"
    case diskOpen = "IncorrectDiskStatus.Open"
    case diskSnapshotExists = "IncorrectDiskStatus.SnapshotExists"
    case snapshotOpen = "IncorrectSnapshotStatus.Open"
    case rolledBack = "IncorrectStore.RolledBack"
    case storeLocked = "OperationConflict.StoreLocked"
    case heldElsewhere = "OperationConflict.HeldElsewhere"
    case unfinishedCopy = "IncorrectStore.UnfinishedCopy"
    // Rules of disks.
    case categoryNotSupported = "InvalidDiskCategory.NotSupported"
    case sizeTooSmall = "InvalidDiskSize.TooSmall"
    case sizeNotSupported = "InvalidDiskSize.NotSupported"
    case encryptedImage = "EncryptedSnapshot.NotSupported"
    case instanceDiskLimit = "InstanceDiskLimitExceeded"
    // Keys.
    case kmsNotEnabled = "InvalidParameter.Encrypted.KmsNotEnabled"
    case kmsLocked = "Rejected.KeystoreLocked"
    case keyNotFound = "Forbidden.KeyNotFound"
    case serviceKey = "Forbidden.ServiceKey"
    case keyRefused = "InvalidParameter.KMSKeyId.KMSUnauthorized"
    case keyNotLoaded = "InvalidOperation.KeyNotLoaded"
    case keyDisabled = "InvalidParameter.KMSKeyId.CMKNotEnabled"
    case keyServiceFailed = "InternalError.KeyService"
    case keyServiceUnavailable = "ServiceUnavailable.KeyService"
    // Limits.
    case storeFull = "QuotaExceeded.StoreCapacity"
    case limit = "QuotaExceeded.Limit"
    case keyUses = "QuotaExceeded.KeyUses"
    // Place.
    case notMounted = "OperationDenied.NotMounted"
    case readOnly = "OperationDenied.ReadOnly"
    case noPermission = "OperationDenied.NoPermission"
    // Failures.
    case damaged = "InternalError.DataDamaged"
    case storage = "InternalError.Storage"
    case sessionOver = "InternalError.SessionOver"
    case unforeseen = "InternalError"

    public var kind: ErrorKind {
        switch self {
        case .invalidAction, .malformedRequest, .missingParameter, .invalidParameter,
            .tokenMismatch, .snapshotOfOtherDisk, .categoryNotSupported, .sizeTooSmall,
            .sizeNotSupported, .storeNotSupported, .dryRun:
            .invalid
        case .regionNotFound, .diskNotFound, .snapshotNotFound, .instanceNotFound,
            .imageNotFound, .policyNotFound, .storeNotFound, .sourceSnapshotGone:
            .notFound
        case .alreadyExists, .nameTaken: .exists
        case .diskStatus, .diskOpen, .diskSnapshotExists, .snapshotOpen, .snapshotInUse,
            .storeLocked, .heldElsewhere, .unfinishedCopy:
            .busy
        case .kmsNotEnabled, .kmsLocked, .keyNotFound, .keyRefused, .keyNotLoaded, .keyDisabled:
            .keyRequired
        case .storeFull: .noSpace
        case .limit, .keyUses, .instanceDiskLimit: .quota
        case .notMounted, .readOnly, .noPermission, .encryptedImage, .serviceKey: .denied
        case .damaged, .rolledBack, .storage, .sessionOver, .keyServiceFailed,
            .keyServiceUnavailable, .unforeseen:
            .failed
        }
    }
}

extension ErrorCode {
    /// What an engine's error about `subject` is called here.
    init(_ code: DiskError.Code, about subject: Subject) {
        self =
            switch code {
            case .notFound: subject.notFound
            case .invalid: .invalidParameter
            case .alreadyExists: .alreadyExists
            case .busy: subject.busy
            case .keyRequired: .keyNotLoaded
            case .keyServiceInactive: .kmsNotEnabled
            case .keyRefused: .keyRefused
            case .noSpace: .storeFull
            case .damaged: .damaged
            case .rolledBack: .rolledBack
            case .unsupported: .storeNotSupported
            case .io: .storage
            case .sessionOver: .sessionOver
            case .storeLocked: .storeLocked
            case .heldElsewhere: .heldElsewhere
            case .unfinishedCopy: .unfinishedCopy
            case .readOnly: .readOnly
            case .denied: .noPermission
            case .limit, .hostLimit: .limit
            }
    }

    /// What a KMS's error is called here.
    init(_ code: KeyError.Code) {
        self =
            switch code {
            case .notActivated: .kmsNotEnabled
            case .locked: .kmsLocked
            case .unknownKey: .keyNotFound
            case .refused: .keyRefused
            case .disabled: .keyDisabled
            case .quotaExceeded: .keyUses
            case .unavailable: .keyServiceUnavailable
            case .io: .keyServiceFailed
            }
    }
}

extension ErrorCode {
    /// What an error of the storage below is called here, where the engine did not put it in its
    /// own words (before it has a store, and when it makes one).
    init(_ code: StoreError.Code) {
        self =
            switch code {
            case .notFound: .storeNotFound
            case .alreadyExists: .alreadyExists
            case .noSpace: .storeFull
            case .locked: .storeLocked
            case .tooLarge, .foreign: .damaged
            case .tooManyFiles: .limit
            case .readOnly: .readOnly
            case .denied: .noPermission
            case .conflict, .busy, .unanswered, .fenced, .io: .storage
            }
    }
}
