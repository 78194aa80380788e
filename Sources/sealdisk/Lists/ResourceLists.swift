import ControlPlane

extension ResourceList {
    static let disks = ResourceList(
        columns: [
            .text("name", mayShrink: true, of: "Name"), .text("id", of: "DiskId"),
            .size("size", of: "SizeBytes"), .size("stored", of: "StoredBytes"), .kind,
            .text("status", DiskTable.status),
            .count("snapshots", of: "SnapshotCount"), .text("created", of: "CreationTime"),
            .text("category", of: "Category"),
            .text("instances", mayShrink: true) { disk in
                (disk["Attachments"]?["Attachment"]?.array ?? []).map {
                    "\($0.text("InstanceId")):\($0.text("Device"))"
                }.joined(separator: ",")
            },
            .text("policy", of: "AutoSnapshotPolicyId"),
            .text("source", of: "SourceSnapshotId"), .text("key", of: "KMSKeyId"),
            .text("lineage", of: "Lineage"), .text("open") { $0.flag("Open") ? "yes" : "no" },
            .text("holder", mayShrink: true, of: "HeldElsewhere"),
            .text("description", mayShrink: true, of: "Description"),
        ],
        usualNames: [
            "name", "size", "stored", "kind", "status", "snapshots", "created", "id",
        ])

    static let snapshots = ResourceList(
        columns: [
            .text("name", mayShrink: true) {
                $0.text("Name") + ($0["Damage"] == nil ? "" : DamageNotes.mark)
            },
            .text("id", of: "SnapshotId"),
            .text("disk", mayShrink: true) {
                $0.text($0.flag("SourceDiskExists") ? "SourceDiskName" : "SourceDiskId")
            },
            .text("disk-id", of: "SourceDiskId"), .size("size", of: "SizeBytes"),
            .size("stored", of: "StoredBytes"), .kind, .text("created", of: "CreationTime"),
            .text("usage", of: "Usage"), .text("key", of: "KMSKeyId"),
            .text("lineage", of: "Lineage"),
            .text("openable") { $0.flag("Openable") ? "yes" : "no" },
            .text("description", mayShrink: true, of: "Description"),
        ],
        usualNames: ["name", "disk", "size", "stored", "kind", "created", "id"])

    /// `names`: of disks, by id.
    static func instances(_ names: [String: String]) -> ResourceList {
        ResourceList(
            columns: [
                .text("name", mayShrink: true, of: "InstanceName"),
                .text("disks", mayShrink: true) { instance in
                    (instance["DataDisks"]?["DataDisk"]?.array ?? []).map { disk in
                        let id = disk.text("DiskId")
                        return "\(disk.text("Device"))=\(names[id] ?? id)"
                            + (disk.flag("Open") ? "" : " (not open)")
                    }.joined(separator: ", ")
                },
                .text("created", of: "CreationTime"), .text("id", of: "InstanceId"),
                .text("description", mayShrink: true, of: "Description"),
            ],
            usualNames: ["name", "disks", "created", "id"])
    }

    static let images = ResourceList(
        columns: [
            .text("name", mayShrink: true, of: "Name"), .kind,
            ListColumn(
                name: "snapshots", column: .right("SNAPSHOTS"),
                text: { "\(members(of: $0))" }, key: { .number(UInt64(members(of: $0))) }),
            .text("shared") { $0.flag("IsShared") ? "shared" : "" },
            .text("created", of: "CreationTime"), .text("id", of: "ImageId"),
            .text("description", mayShrink: true, of: "Description"),
        ],
        usualNames: ["name", "kind", "snapshots", "shared", "created", "id"])

    private static func members(of image: JSON) -> Int {
        (image["DiskDeviceMappings"]?["DiskDeviceMapping"]?.array ?? []).count
    }

    static let policies = ResourceList(
        columns: [
            .text("name", mayShrink: true, of: "Name"),
            .text("hours") { numbers($0, "TimePoints") },
            .text("weekdays") { numbers($0, "RepeatWeekdays") },
            .text("kept") { policy in
                let days = policy["RetentionDays"]?.text ?? "-1"
                return days == "-1" ? "for ever" : "\(days) days"
            },
            .count("disks", of: "DiskNums"), .text("id", of: "AutoSnapshotPolicyId"),
            .text("created", of: "CreationTime"),
        ],
        usualNames: ["name", "hours", "weekdays", "kept", "disks", "id"])

    private static func numbers(_ policy: JSON, _ name: String) -> String {
        (policy[name]?.array ?? []).map(\.text).joined(separator: ",")
    }
}
