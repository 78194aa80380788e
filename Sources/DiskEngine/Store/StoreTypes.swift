import DiskFormat
import KeyManagement

/// What a store is.
public struct StoreIdentity: Sendable, Hashable, Codable {
    /// 32 hexadecimal digits, drawn when the store was made.
    public let storeID: String
    public let account: String
    public let region: String
    public let created: Timestamp
    public let formatVersion: Int

    init(_ manifest: StoreManifest) {
        storeID = manifest.store
        account = manifest.account
        region = manifest.region
        created = Timestamp(seconds: manifest.created)
        formatVersion = Int(manifest.version)
    }
}

/// What can be told of a disk. Sizes in bytes.
public struct DiskSummary: Sendable, Hashable {
    public let id: DiskID
    public let lineage: LineageID
    public let isEncrypted: Bool
    public let size: UInt64
    public let created: Timestamp
    public let sourceSnapshot: SnapshotID?
    /// The CMK that wraps its data key; nil for a plain disk.
    public let keyID: String?
    /// The control plane's own (name, category …).
    public let attributes: [String: String]
    public let isAttached: Bool
    /// Whether all this was authenticated since the store was opened: at creation or attach. (In a
    /// plain lineage that is a checksum.)
    public let isVerified: Bool
    /// A size asked for while it was detached; takes effect at the next attach.
    public let pendingSize: UInt64?
    /// Bytes of blocks that hold data: now while attached, else as of the last checkpoint.
    public let storedBytes: UInt64
    public let snapshotCount: Int
    /// What reads have found since it was attached; nil: nothing.
    public let damage: FoundDamage?
}

/// What can be told of a snapshot. Sizes in bytes.
public struct SnapshotSummary: Sendable, Hashable {
    public let id: SnapshotID
    public let lineage: LineageID
    public let disk: DiskID
    public let diskExists: Bool
    public let isEncrypted: Bool
    public let size: UInt64
    public let created: Timestamp
    public let keyID: String?
    public let storedBytes: UInt64
    public let attributes: [String: String]
    /// SHA-256 of its sealed file, in hexadecimal digits; nil until that was read from beginning to
    /// end since the store was opened.
    public let digest: String?
    /// Bytes that the host would get back without it, as of when that was last asked for
    /// (`Store.exclusiveBytes`); nil if it was not since the store was opened.
    public let exclusiveBytes: UInt64?
    public let exclusiveAsOf: Timestamp?
    /// Whether its key is in memory, so that it can be read.
    public let isOpenable: Bool
    public let isVerified: Bool
    /// What reads have found since the store was opened; nil: nothing.
    public let damage: FoundDamage?
}

/// Figures of a running store, for status displays.
public struct StoreStatus: Sendable, Hashable, Codable {
    public struct DiskStatus: Sendable, Hashable, Codable {
        public let id: String
        public let isEncrypted: Bool
        public let size: UInt64
        public let storedBytes: UInt64
        /// Bytes that the host would get back without it, as of when that was last asked for
        /// (`Store.exclusiveBytes`); nil if it was not since the store was opened.
        public let exclusiveBytes: UInt64?
        public let exclusiveAsOf: Timestamp?
        /// The session's number in the lineage; nil until the disk first writes.
        public let session: UInt64?
        /// Log positions in slots since the session began.
        public let reserved: UInt64
        public let written: UInt64
        public let durable: UInt64
        public let slotsSinceCheckpoint: UInt64
        public let generation: UInt64
        public let dirtyMapPages: Int
        public let isCheckpointing: Bool
        public let checkpointError: String?
        /// When the last checkpoint was taken, if one was since the disk was attached.
        public let lastCheckpoint: Timestamp?
        /// Why the session is over, if it is.
        public let failure: String?
    }

    public let mapMemoryUsed: Int
    public let mapMemoryLimit: Int
    public let reserveBytes: UInt64
    public let openLineages: Int
    public let openChunks: Int
    /// Given back since the store was opened: chunks that were wholly dead, and bytes in all.
    public let chunksReclaimed: UInt64
    public let bytesReclaimed: UInt64
    public let isReclaiming: Bool
    /// Known to be dead and not given back yet; more may be, until the maps were walked.
    public let bytesReclaimable: UInt64
    public let reclaimError: String?
    /// What is damaged, and how: manifests that made no sense when the store was opened, and what
    /// reads of disks and snapshots have met since.
    public let damage: [String: String]
    /// All snapshots, and the bytes they hold, those that several share counted for each.
    public let snapshots: Int
    public let snapshotBytes: UInt64
    /// The attached ones.
    public let disks: [DiskStatus]
}
