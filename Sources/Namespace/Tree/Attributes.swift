/// What `stat` shows of a file or folder of the tree.
public struct Attributes: Sendable, Hashable {
    public var inode: UInt64
    /// The number under which the kernel is to know what this look-up led to, if it is not the one
    /// that `stat` shows.
    public var ownInode: UInt64?
    public var isFolder: Bool
    /// Permission bits, without the file type.
    public var mode: UInt32
    public var owner: UInt32
    public var group: UInt32
    /// Bytes.
    public var size: UInt64
    /// Bytes that are stored, a multiple of 512: what `st_blocks` counts.
    public var storedBytes: UInt64
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    public var modified: Int64
    /// How long the kernel may keep this, in seconds. What can change without the kernel's doing
    /// is either told to it (disks, snapshots) or not kept (0).
    public var validity: Double
    /// How long the kernel may keep the name that led here, in seconds; 0 for names that come and
    /// go. ▲ It is never told to drop a name: for that it takes the folder's lock, which somebody
    /// who lists the folder holds while he waits for this process. Were it killed then, the mount
    /// would hang for ever.
    public var nameValidity: Double

    /// The unit in which all I/O is best done, in bytes: a block of a disk.
    public static let preferredBlockSize = 4096
}

/// What `setattr` asks to change; nil is "leave as it is".
public struct AttributeChange: Sendable, Hashable {
    public enum Time: Sendable, Hashable {
        case now
        /// Nanoseconds since 1970-01-01T00:00:00Z.
        case at(Int64)
    }

    public var mode: UInt32?
    public var owner: UInt32?
    public var group: UInt32?
    /// Bytes.
    public var size: UInt64?
    /// Whether it comes through an open handle (ftruncate), not by a path.
    public var isThroughHandle = false
    public var modified: Time?

    public init() {}
}
