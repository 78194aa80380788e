import DiskEngine
import DiskFormat

// Names and descriptions. A name is taken once: it is a path in the mount, and a path does not
// lead elsewhere because somebody made a second thing of that name.
extension ControlPlane {
    func modifyDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        let id = disk.summary.id
        var attributes = disk.summary.attributes
        if let name = try arguments.text("DiskName") {
            guard ResourceName.isValidForDisk(name) else { throw .name("DiskName", name) }
            try demandFree(diskName: name, but: id)
            attributes[Attribute.diskName] = name
        }
        if let text = try arguments.description() { attributes[Attribute.description] = text }
        for (parameter, attribute) in Attribute.flags {
            if let flag = try arguments.flag(parameter) { attributes[attribute] = "\(flag)" }
        }
        try demandChange(
            arguments, ["DiskName", "Description"] + Attribute.flags.map(\.key))
        try arguments.stopIfDryRun()
        try engine(about: .disk(disk.name)) { try store.setAttributes(of: id, to: attributes) }
        hooks?.didChange(.diskRenamed(id))
        return [:]
    }

    func modifySnapshot(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let snapshot = try snapshot(try arguments.required("SnapshotId"))
        let id = snapshot.summary.id
        var attributes = snapshot.summary.attributes
        if let name = try arguments.text("SnapshotName") {
            guard ResourceName.isValidForSnapshot(name) else { throw .name("SnapshotName", name) }
            try demandFree(snapshotName: name, but: id)
            attributes[Attribute.snapshotName] = name
        }
        if let text = try arguments.description() { attributes[Attribute.description] = text }
        try demandChange(arguments, ["SnapshotName", "Description"])
        try arguments.stopIfDryRun()
        try engine(about: .snapshot(snapshot.name)) {
            try store.setAttributes(of: id, to: attributes)
        }
        hooks?.didChange(.snapshotRenamed(id))
        return [:]
    }

    /// Throws unless no disk (but `id`) has the name.
    func demandFree(diskName name: String, but id: DiskID? = nil) throws(Refusal) {
        let other = disks(called: name).first { $0.id != id }
        guard let other else { return }
        throw Refusal(
            .nameTaken, "Disk \(other.id) is called '\(name)' already.",
            recommend: "Choose another name, or give that disk another one:"
                + " `ModifyDiskAttribute DiskId=\(other.id) DiskName=…`")
    }

    /// Throws unless no snapshot (but `id`) has the name.
    func demandFree(snapshotName name: String, but id: SnapshotID? = nil) throws(Refusal) {
        let other = snapshots(called: name).first { $0.id != id }
        guard let other else { return }
        throw Refusal(
            .nameTaken, "Snapshot \(other.id) is called '\(name)' already.",
            recommend: "Choose another name, or give that snapshot another one:"
                + " `ModifySnapshotAttribute SnapshotId=\(other.id) SnapshotName=…`")
    }

    func demandChange(_ arguments: Arguments, _ names: [String]) throws(Refusal) {
        for name in names where try arguments.text(name) != nil { return }
        throw Refusal(
            .missingParameter, "There is nothing to change.", parameter: names[0],
            recommend: "Give `\(names.joined(separator: "=…` or `"))=…`.")
    }
}
