import DiskFormat

/// What a check of a store has told.
public struct CheckReport: Sendable, Hashable {
    public internal(set) var findings: [CheckFinding] = []
    /// What could not be verified for want of a key.
    public internal(set) var unverified: [UnverifiedLineage] = []
    /// Their attributes, as their manifests have them, for names.
    public internal(set) var disks: [DiskID: [String: String]] = [:]
    public internal(set) var snapshots: [SnapshotID: [String: String]] = [:]
    public internal(set) var chunks = 0
    /// Bytes of blocks that disks and snapshots lead to and that are what was sealed; those that
    /// several share counted once where one was made from the other.
    public internal(set) var verifiedBytes: UInt64 = 0

    /// Whether bytes are not what was sealed, or something was planted.
    public var isDamaged: Bool { findings.contains { $0.severity != .note } }
}

/// A lineage of which only what needs no key was looked at.
public struct UnverifiedLineage: Sendable, Hashable {
    public let lineage: LineageID
    public let disks: [DiskID]
    public let snapshots: [SnapshotID]
    public let reason: String
}

/// Something that is not as it was left, and what to do.
public struct CheckFinding: Sendable, Hashable {
    public enum Severity: String, Sendable {
        /// Something cannot be read, or not be attached.
        case damage
        /// Nothing is lost, but something is not what it was, or does not belong.
        case warning
        /// What an interruption leaves; nothing is wrong.
        case note
    }
    public enum Kind: String, Sendable {
        /// Blocks; a page of the map; a checkpoint; the log behind the last one.
        case data, map, checkpoint, log
        case manifest
        /// A chunk's file as a whole.
        case chunk
        /// What does not belong to a store, or is not owned by anything in it.
        case stray
        /// A link, a device, or a file with several names.
        case foreign
    }

    public let severity: Severity
    public let kind: Kind
    public internal(set) var disk: DiskID?
    public internal(set) var snapshot: SnapshotID?
    /// What cannot be read because of it: bytes of the disk or snapshot. 0 for what has no place.
    public internal(set) var offset: UInt64 = 0
    public internal(set) var length: UInt64 = 0
    /// In the store's folder.
    public let file: String
    public internal(set) var cause: String
    /// Whoever is affected, too.
    public internal(set) var disks: [DiskID] = []
    public internal(set) var snapshots: [SnapshotID] = []
    public internal(set) var advice: String

    init(
        _ severity: Severity, _ kind: Kind, file: String, _ cause: String, advice: String = ""
    ) {
        self.severity = severity
        self.kind = kind
        self.file = file
        self.cause = cause
        self.advice = advice
    }
}

/// Its caller ended the check.
public struct CheckInterrupted: Error {}
