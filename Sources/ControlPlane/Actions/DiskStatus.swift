import DiskEngine
import DiskFormat

/// The state of a disk, as the cloud names it.
///
///     Creating → Available ⇄ In_use      by way of Attaching and Detaching
///                Available, In_use → ReIniting → the same again
///
/// Those in between last as long as an action does: whoever describes disks meanwhile sees them.
enum DiskStatus: String, Sendable, CaseIterable {
    /// It is being made with an instance, all of whose disks are not there yet.
    case creating = "Creating"
    case available = "Available"
    case attaching = "Attaching"
    /// An instance has it, also while the mount is away in which it was opened.
    case inUse = "In_use"
    case detaching = "Detaching"
    /// Its content is being replaced: ReInitDisk, ResetDisk.
    case reIniting = "ReIniting"
}

extension ControlPlane {
    func status(of disk: DiskSummary) -> DiskStatus {
        if let passing = passing.withLock({ $0[disk.id] }) { return passing }
        if let instance = disk.attributes[Attribute.madeWith].flatMap({ InstanceID($0) }),
            register.shown.creating.contains(instance)
        {
            return .creating
        }
        return places(of: disk).isEmpty ? .available : .inUse
    }

    /// Shows a disk in a state for as long as `work` takes.
    func showing<R>(
        _ status: DiskStatus, _ id: DiskID, _ work: () throws(Refusal) -> R
    ) throws(Refusal) -> R {
        passing.withLock { $0[id] = status }
        defer { passing.withLock { $0[id] = nil } }
        return try work()
    }
}
