import DiskFormat

/// What verifying a part of a disk or snapshot has told.
public struct ScrubResult: Sendable, Hashable {
    /// Bytes of blocks that were read from the medium and are what was sealed.
    public let verifiedBytes: UInt64
    public let findings: [ScrubFinding]
    /// Where to go on, in bytes; nil at the end.
    public let next: UInt64?
}

/// A place whose stored bytes are not what was sealed there, or that the medium does not give.
public struct ScrubFinding: Sendable, Hashable {
    public enum Kind: String, Sendable {
        /// Blocks.
        case data
        /// A page of the map: nothing below it can be found.
        case map
        /// A checkpoint's record. Nothing is lost: recovery goes back to the other.
        case checkpoint
    }

    public let kind: Kind
    /// What cannot be read because of it: bytes of the disk or snapshot, whole blocks.
    public let offset: UInt64
    public let length: UInt64
    /// The file, in the store's folder, that a copy would have to replace.
    public let chunkFile: String
    public let cause: String
    /// Snapshots and attached disks, besides the one that was looked at, that lead to it too.
    public let snapshots: [SnapshotID]
    public let disks: [DiskID]
}
