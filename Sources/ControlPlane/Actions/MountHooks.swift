import DiskEngine
import DiskFormat

/// What the control plane asks of the mounted tree, and tells it. The tree implements this; on a
/// store that is not mounted (the command line works on it for one action) there are no hooks.
///
/// Every call comes from the thread that called `ControlPlane.perform`, never from inside the
/// engine's locks, and actions that change something come one at a time. An implementation may
/// wait here, also for the kernel; it must not call `perform` back.
///
/// The order of an action that needs a disk for itself (DetachDisk, ResetDisk, ReInitDisk; a disk
/// to be deleted is detached, and does not open anyhow):
///
///     blockOpens(of:)            no new handle; throws .busy while one stays open
///     (the engine's own work)
///     didChange(_:)              drop what the kernel caches; also when the work failed half-way
///     allowOpens(of:)            always, once blockOpens has succeeded
///
/// and of CreateSnapshot on an attached disk: `flushMappings(of:)`, the engine's cut, `didChange`.
public protocol MountHooks: AnyObject, Sendable {
    /// Handles that are open on the disk's file: open files, shared mappings and loop devices, but
    /// not the tree's own.
    func openHandles(of disk: DiskID) -> Int

    /// Handles that are open on the snapshot's file.
    func openHandles(of snapshot: SnapshotID) -> Int

    /// Has the kernel write out what shared mappings of the disk's file hold dirty, so that a
    /// snapshot's cut includes it. Returns when those writes have been served.
    ///
    /// Throws `.io` when the kernel reports a failed write, or does not finish in time; the
    /// snapshot is then not taken.
    func flushMappings(of disk: DiskID) throws(DiskError)

    /// From here on, until `allowOpens(of:)`, opening the disk's file is answered EBUSY. Waits a
    /// moment for handles that are closing (the kernel releases them asynchronously).
    ///
    /// Throws `.busy` with a text that says how many handles are open, and then opens are allowed
    /// again. Requests of handles that no longer exist are not to be expected after it returns.
    func blockOpens(of disk: DiskID) throws(DiskError)

    /// Ends what `blockOpens(of:)` began.
    func allowOpens(of disk: DiskID)

    /// A resource has changed and the engine shows it changed: names, sizes, modes, inode numbers
    /// and cached pages that the kernel holds of it are to be dropped.
    func didChange(_ change: ResourceChange)
}

/// What happened to a resource, as the mounted tree must know it.
public enum ResourceChange: Sendable, Hashable {
    /// A new disk: its name shows.
    case diskCreated(DiskID)
    /// The disk has another name, or another description.
    case diskRenamed(DiskID)
    case diskDeleted(DiskID)
    /// The disk's key is in memory: its file opens, under a new inode number.
    case diskAttached(DiskID)
    /// The disk's session is over, its key is wiped: cached pages must go.
    case diskDetached(DiskID)
    /// The disk has other content, and perhaps another size (bytes): cached pages must go.
    case diskReplaced(DiskID, size: UInt64)
    /// The disk has grown; `size` in bytes. Only told of attached disks, whose size it is at once.
    case diskResized(DiskID, size: UInt64)
    case snapshotCreated(SnapshotID)
    case snapshotRenamed(SnapshotID)
    case snapshotDeleted(SnapshotID)
    /// Which instances there are, and which disks are at them under which device names.
    case instancesChanged([NamedInstance])
}
