import DiskEngine
import DiskFormat

extension ControlPlane {
    func createSnapshot(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let disk = try disk(try arguments.required("DiskId"))
        let digest = try digest(of: arguments)
        let token = try arguments.clientToken()
        if let token, let made = try snapshotCreated(with: token, digest: digest) {
            return ["SnapshotId": .string(made)]
        }
        var attributes: [String: String] = [:]
        if let name = try arguments.text("SnapshotName") {
            guard ResourceName.isValidForSnapshot(name) else { throw .name("SnapshotName", name) }
            try demandFree(snapshotName: name)
            attributes[Attribute.snapshotName] = name
        }
        attributes[Attribute.description] = try arguments.description()
        attributes[Attribute.clientToken] = token
        if token != nil { attributes[Attribute.clientRequest] = digest }
        try arguments.stopIfDryRun()
        let snapshot = try take(of: disk, attributes)
        return ["SnapshotId": .string(snapshot.id.text)]
    }

    /// Takes a snapshot with what shared mappings of the disk hold.
    func take(
        of disk: NamedDisk, _ attributes: [String: String]
    ) throws(Refusal) -> SnapshotSummary {
        let id = disk.summary.id
        let snapshot = try engine(about: .disk(disk.name)) {
            // What shared mappings hold dirty is part of the disk at this moment.
            if disk.summary.isAttached { try hooks?.flushMappings(of: id) }
            return try store.createSnapshot(of: id, attributes: attributes)
        }
        hooks?.didChange(.snapshotCreated(snapshot.id))
        return snapshot
    }

    func deleteSnapshot(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let snapshot = try snapshot(try arguments.required("SnapshotId"))
        let id = snapshot.summary.id
        let handles = hooks?.openHandles(of: id) ?? 0
        guard handles == 0 else {
            throw Refusal(
                .snapshotOpen,
                "Snapshot '\(snapshot.name)' is open for reading (\(handles) handles).",
                recommend: ErrorCode.snapshotOpen.usualRemedy)
        }
        try demandInNoImage(snapshot)
        try arguments.stopIfDryRun()
        try engine(about: .snapshot(snapshot.name)) { try store.deleteSnapshot(id) }
        hooks?.didChange(.snapshotDeleted(id))
        return shredded(
            snapshot.summary.lineage, wasEncrypted: snapshot.summary.isEncrypted)
    }

    private func snapshotCreated(with token: String, digest: String) throws(Refusal) -> String? {
        guard let made = store.snapshots(withAttribute: Attribute.clientToken, token).first
        else { return nil }
        guard made.attributes[Attribute.clientRequest] == digest else {
            throw .tokenMismatch(resource: made.id.text)
        }
        return made.id.text
    }
}
