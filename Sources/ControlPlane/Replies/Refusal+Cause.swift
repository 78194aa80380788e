import ChunkStore
import DiskEngine
import KeyManagement

/// What a request was about when something below failed.
enum Subject {
    case request
    case store
    case disk(String)
    case snapshot(String)

    var notFound: ErrorCode {
        switch self {
        case .request: .unforeseen
        case .store: .storeNotFound
        case .disk: .diskNotFound
        case .snapshot: .snapshotNotFound
        }
    }

    var busy: ErrorCode {
        switch self {
        case .request, .store, .disk: .diskStatus
        case .snapshot: .snapshotOpen
        }
    }
}

extension Refusal {
    /// What went wrong with a store, in the words of the API: for errors of opening or making one,
    /// before there is a control plane.
    public init(ofStore error: any Error) { self.init(error, about: .store) }

    /// What the engine, the KMS or the mounted tree reported, in the words of the API.
    init(_ error: any Error, about subject: Subject) {
        switch error {
        case let refusal as Refusal: self = refusal
        case let error as DiskError:
            // The KMS knows better than the engine why a key is not to be had.
            if let cause = error.cause as? KeyError {
                let code = ErrorCode(cause.code)
                self.init(code, error.message, recommend: code.usualRemedy)
                return
            }
            let code = ErrorCode(error.code, about: subject)
            self.init(code, error.message, recommend: code.usualRemedy(about: subject))
        case let error as KeyError:
            let code = ErrorCode(error.code)
            self.init(code, error.message, recommend: code.usualRemedy)
        case let error as StoreError:
            let code = ErrorCode(error.code)
            self.init(code, error.description, recommend: code.usualRemedy(about: subject))
        default:
            self.init(.unforeseen, "\(error)", recommend: ErrorCode.unforeseen.usualRemedy)
        }
    }
}

extension ErrorCode {
    /// The same, where it makes a difference what is to be helped.
    func usualRemedy(about subject: Subject) -> String {
        guard case .store = subject else { return usualRemedy }
        return switch self {
        case .damaged: "Restore the damaged file from a copy of the store."
        case .alreadyExists:
            "A store that is there already is used as it is: sealdisk mount STORE DIR. For another,"
                + " name a new folder."
        default: usualRemedy
        }
    }

    /// What helps against an error that came from below, where no action knows better.
    var usualRemedy: String {
        switch self {
        case .diskNotFound: "List the disks: `DescribeDisks`."
        case .snapshotNotFound, .sourceSnapshotGone: "List the snapshots: `DescribeSnapshots`."
        case .diskStatus, .diskOpen:
            "Close what uses the disk (umount it, detach its loop device), then repeat."
        case .snapshotOpen: "Close what reads the snapshot (umount it), then repeat."
        case .alreadyExists, .nameTaken: "Choose another name."
        case .storeNotFound: "Name an existing store, or make one: sealdisk init STORE."
        case .kmsNotEnabled:
            "Activate the KMS once: `OpenKmsService`. It makes the key. A disk that was encrypted"
                + " before, or on another host, needs the keystore of then: put that in place"
                + " instead."
        case .kmsLocked:
            "Give the keystore's key file or passphrase: --key-file, --passphrase-command; to a"
                + " mounted store when it is mounted. A key service's PIN or token lies where its"
                + " URI says."
        case .keyNotFound: "Give what made this store's keys: --keystore PATH, or --kms URI."
        case .keyRefused:
            "Give what made this store's keys (--keystore PATH or --kms URI); if it is the one,"
                + " the disk's records were changed: restore them from a copy."
        case .keyNotLoaded: "Attach a disk of the same lineage: `AttachDisk`."
        case .keyServiceFailed:
            "Mend what the message names. A keystore is a whole file that nobody else may write to"
                + " (chmod 600); restore a damaged one from a copy. Its folder must be writable and"
                + " not full."
        case .keyDisabled:
            "The key's keeper enables it, or takes its deletion back; what is attached goes on."
        case .keyServiceUnavailable:
            "Repeat when the key service answers again; what is attached goes on meanwhile."
        case .keyUses: "Wait until tomorrow (UTC), or raise the quota: sealdisk kms quota N."
        case .storeFull: "Delete snapshots or disks, or give the store's file system more space."
        case .limit:
            "Raise the limit that the message names; else delete what is no longer needed, or use"
                + " another store."
        case .unfinishedCopy:
            "Repeat the command that makes it, which goes on where it stopped: sealdisk store copy"
                + " FROM TO. It is a store when that has ended well."
        case .heldElsewhere:
            "Detach what that host has of it there. If the host is lost, take the disk from it:"
                + " `AttachDisk DiskId=… Fence=true`."
        case .storeLocked: "Use the mount that has the store, or unmount it first."
        case .noPermission: "Run this as the user whose store it is, or as root."
        case .readOnly: "Mount the store writable, or work on another one."
        case .storeNotSupported:
            "Use the sealdisk that wrote the store. To bring its files to another version, mount"
                + " both stores and copy them with rsync."
        case .damaged:
            "Restore the damaged file from a copy of the store, or make a disk from a snapshot that"
                + " is intact: `CreateDisk SnapshotId=…`."
        case .rolledBack:
            "If a copy was put back on purpose, attach the disk once with `AcceptRollback=true`,"
                + " which is recorded. If not, somebody else did it: look for the newer store. What"
                + " was exchanged is accepted by nothing."
        case .storage:
            "Mend what has the store, then repeat: the kernel's log tells of a medium of this host,"
                + " a server's own log of a store on S3 or Ceph."
        case .sessionOver: "Detach the disk and attach it again; unflushed writes may be lost."
        case .notMounted: "Mount the store: sealdisk mount STORE DIR."
        default: "Correct the request and repeat it."
        }
    }
}
