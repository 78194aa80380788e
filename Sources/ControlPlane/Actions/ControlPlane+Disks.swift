import DiskEngine
import DiskFormat

extension ControlPlane {
    func deleteDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        guard !disk.summary.isAttached else {
            throw Refusal(
                .diskStatus, "Disk '\(disk.name)' is attached, and only a detached one is deleted.",
                recommend: "Detach it first: `DetachDisk DiskId=\(disk.name)`.")
        }
        try demandNowhere(disk)
        try arguments.stopIfDryRun()
        try delete(disk)
        return shredded(disk.summary.lineage, wasEncrypted: disk.summary.isEncrypted)
    }

    /// What the reply to a deletion says where the data key went with it.
    func shredded(_ lineage: LineageID, wasEncrypted: Bool) -> JSONObject {
        guard wasEncrypted, !store.hasDataKey(of: lineage) else { return [:] }
        return [
            "DataKeyDestroyed": true,
            "Note": .string(
                "Nothing else had its data key, which is destroyed in this store. Copies of the"
                    + " wrapped key go apart from it: destroy backups of the store with the"
                    + " lineage's manifest, and sealed files and exports of its snapshots, too."),
        ]
    }

    /// A disk that an instance has is not deleted from under it.
    private func demandNowhere(_ disk: NamedDisk) throws(Refusal) {
        guard let place = places(of: disk.summary).first else { return }
        throw Refusal(
            .diskStatus,
            "Disk '\(disk.name)' is attached to instance \(place.instance), and only a detached one"
                + " is deleted.",
            recommend: "Detach it first: `DetachDisk DiskId=\(disk.name)`.")
    }

    /// Deletes a detached disk, and with it what was to go with it.
    func delete(_ disk: NamedDisk) throws(Refusal) {
        let id = disk.summary.id
        if disk.summary.attributes[Attribute.deleteAutoSnapshot] == "true" {
            try deleteAutoSnapshots(of: disk)
        }
        try engine(about: .disk(disk.name)) { try store.deleteDisk(id) }
        hooks?.didChange(.diskDeleted(id))
    }

    func resizeDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        let size = try arguments.requiredSize("NewSize")
        let present = disk.summary.pendingSize ?? disk.summary.size
        guard size > present else {
            throw Refusal(
                .sizeTooSmall,
                "Disk '\(disk.name)' is \(ByteSize.text(present)) (\(present) bytes) large, and"
                    + " disks only grow.",
                recommend: "Give a larger size; for a smaller disk create a new one and copy.")
        }
        let id = disk.summary.id
        let category = DiskCategory.of(disk.summary.attributes)
        if size > category.sizes.upperBound << 30 { try category.check(size) }
        try arguments.stopIfDryRun()
        try engine(about: .disk(disk.name)) { try store.resize(id, to: size) }
        if disk.summary.isAttached { hooks?.didChange(.diskResized(id, size: size)) }
        return [:]
    }

    func resetDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        let snapshot = try snapshot(try arguments.required("SnapshotId"))
        guard snapshot.summary.disk == disk.summary.id else {
            throw Refusal(
                .snapshotOfOtherDisk,
                "Snapshot '\(snapshot.name)' is of disk \(snapshot.summary.disk), and disk"
                    + " '\(disk.name)' goes back only to snapshots of its own.",
                recommend: "See its snapshots: `DescribeSnapshots DiskId=\(disk.name)`. For a disk"
                    + " with that content: `CreateDisk SnapshotId=\(snapshot.name)`.")
        }
        let id = disk.summary.id
        try arguments.stopIfDryRun()
        try whileNobodyUses(disk) { () throws(Refusal) in
            try engine(about: .disk(disk.name)) { try store.reset(id, to: snapshot.summary.id) }
        } after: {
            didReplace(id)
        }
        return [:]
    }

    func reInitDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        let id = disk.summary.id
        if disk.summary.snapshotCount > 0 {
            throw Refusal(
                .diskSnapshotExists,
                "Disk '\(disk.name)' has \(disk.summary.snapshotCount) snapshot(s), and a disk"
                    + " with snapshots is not re-initialised.",
                recommend: "Delete them first (`DescribeSnapshots DiskId=\(disk.name)`), or go back"
                    + " to one: `ResetDisk DiskId=\(disk.name)`.")
        }
        if let source = disk.summary.sourceSnapshot { try demand(source, of: disk) }
        try arguments.stopIfDryRun()
        try whileNobodyUses(disk) { () throws(Refusal) in
            try engine(about: .disk(disk.name)) { try store.reinitialize(id) }
        } after: {
            didReplace(id)
        }
        return [:]
    }

    /// Holds off new users of the disk during `work`, which needs it for itself, and has the mount
    /// forget what it knew of it afterwards, also when the work failed half-way.
    func whileNobodyUses(
        _ disk: NamedDisk, showing status: DiskStatus = .reIniting,
        _ work: () throws(Refusal) -> Void, after: () -> Void
    ) throws(Refusal) {
        let id = disk.summary.id
        if let hooks {
            do {
                try hooks.blockOpens(of: id)
            } catch {
                let code = error.code == .busy ? ErrorCode.diskOpen : .storage
                throw Refusal(code, withNames(error.message), recommend: code.usualRemedy)
            }
        }
        defer {
            after()
            hooks?.allowOpens(of: id)
        }
        try showing(status, id, work)
    }

    private func didReplace(_ id: DiskID) {
        guard let hooks, let disk = store.attached(id) else { return }
        hooks.didChange(.diskReplaced(id, size: disk.size))
    }

    /// A disk from a snapshot goes back to that snapshot, which must still exist.
    private func demand(_ source: SnapshotID, of disk: NamedDisk) throws(Refusal) {
        guard (try? store.snapshot(source)) != nil else {
            throw Refusal(
                .sourceSnapshotGone,
                "Disk '\(disk.name)' was made from snapshot \(source), which is deleted, so it"
                    + " cannot go back to it.",
                recommend: "Create a new disk instead: `CreateDisk`.")
        }
    }
}
