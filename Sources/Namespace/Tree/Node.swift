import DiskFormat

/// What stands at a place of the tree.
enum Node: Hashable, Sendable {
    case root, control, status, metrics, disks, snapshots, instances
    /// `import`: takes sealed snapshots.
    case intake
    /// `trace`, which no listing shows: whoever walks through the tree begins no traces
    case traces
    /// `instances/NAME`, in which disks stand under their device names
    case instance(InstanceID)
    case disk(DiskID)
    /// `trace/NAME`
    case trace(DiskID)
    case snapshot(SnapshotID)
    /// `snapshots/NAME.sealed`
    case sealedSnapshot(SnapshotID)
    /// `snapshots/NAME.since.BASE.sealed`, which no listing shows
    case sealedDifference(SnapshotID, since: SnapshotID)
    /// `snapshots/NAME.json`
    case snapshotInfo(SnapshotID)

    var isFolder: Bool {
        switch self {
        case .root, .disks, .snapshots, .instances, .instance, .traces: true
        default: false
        }
    }

    /// Read-only whatever the permissions say: what a snapshot is cannot change.
    var isFrozen: Bool {
        switch self {
        case .snapshots, .snapshot, .sealedSnapshot, .sealedDifference, .snapshotInfo: true
        default: false
        }
    }
}
