/// The command that sends an action of the API: its words, and where its parameters go.
struct CommandForm {
    enum Place {
        /// An argument, by the name that stands for it.
        case argument(String)
        /// An option and the name of its value; one that must be given is told in every line.
        case option(String, String, isRequired: Bool = false)
        /// A flag for `true`, and one for `false` if there is.
        case flags(String, String?)
    }

    let words: String
    let places: KeyValuePairs<String, Place>

    private init(_ words: String, _ places: KeyValuePairs<String, Place> = [:]) {
        self.words = words
        self.places = places
    }

    /// By the action's name. Those that are missing have no command of their own.
    static let all: [String: CommandForm] = [
        "OpenKmsService": CommandForm("kms activate"),
        "DescribeKey": CommandForm("kms show"),
        "ListKeys": CommandForm("api ListKeys"),
        "RewrapDataKeys": CommandForm("kms rewrap"),
        "CreateKey": CommandForm("api CreateKey"),
        "ScheduleKeyDeletion": CommandForm("api ScheduleKeyDeletion"),
        "CancelKeyDeletion": CommandForm("api CancelKeyDeletion"),
        "DisableKey": CommandForm("api DisableKey"),
        "EnableKey": CommandForm("api EnableKey"),
        "UpdateAlias": CommandForm("api UpdateAlias"),
        "DeleteAlias": CommandForm("api DeleteAlias"),
        "CreateDisk": CommandForm(
            "disk create",
            [
                "DiskName": .argument("NAME"), "Size": .option("--size", "SIZE"),
                "SnapshotId": .option("--snapshot", "SNAPSHOT"),
                "Encrypted": .flags("--encrypted", "--plain"),
                "DiskCategory": .option("--category", "CATEGORY"),
                "Description": .option("--description", "TEXT"),
            ]),
        "DeleteDisk": CommandForm("disk delete", ["DiskId": .argument("DISK")]),
        "DescribeDisks": CommandForm("disk list", ["Encrypted": .flags("--encrypted", "--plain")]),
        "ModifyDiskAttribute": CommandForm(
            "disk rename", ["DiskId": .argument("DISK"), "DiskName": .argument("NEW-NAME")]),
        "AttachDisk": CommandForm(
            "disk attach",
            [
                "DiskId": .argument("DISK"), "Encrypted": .flags("--require-encrypted", nil),
                "AcceptRollback": .flags("--accept-rollback", nil),
                "Fence": .flags("--fence", nil),
            ]),
        "DetachDisk": CommandForm("disk detach", ["DiskId": .argument("DISK")]),
        "ResizeDisk": CommandForm(
            "disk resize",
            ["DiskId": .argument("DISK"), "NewSize": .option("--size", "SIZE", isRequired: true)]),
        "ResetDisk": CommandForm(
            "disk reset",
            [
                "DiskId": .argument("DISK"),
                "SnapshotId": .option("--snapshot", "SNAPSHOT", isRequired: true),
            ]),
        "ReInitDisk": CommandForm("disk reinit", ["DiskId": .argument("DISK")]),
        "CreateSnapshot": CommandForm(
            "snapshot create",
            [
                "DiskId": .argument("DISK"), "SnapshotName": .option("--name", "NAME"),
                "Description": .option("--description", "TEXT"),
            ]),
        "ModifySnapshotAttribute": CommandForm(
            "snapshot rename",
            ["SnapshotId": .argument("SNAPSHOT"), "SnapshotName": .argument("NEW-NAME")]),
        "DeleteSnapshot": CommandForm("snapshot delete", ["SnapshotId": .argument("SNAPSHOT")]),
        "DiscardSnapshotImport": CommandForm(
            "snapshot import",
            ["SnapshotId": .option("--discard", "SNAPSHOT", isRequired: true)]),
        "DescribeSnapshots": CommandForm("snapshot list", ["DiskId": .option("--disk", "DISK")]),
        "DescribeSnapshotChanges": CommandForm(
            "snapshot diff",
            ["BaseSnapshotId": .argument("OLDER"), "SnapshotId": .argument("NEWER")]),
        "DescribeDiskUsage": CommandForm("disk usage", ["DiskId": .argument("DISK")]),
        "DescribeSnapshotsUsage": CommandForm("snapshot usage"),
        "ScrubDisk": CommandForm("scrub", ["DiskId": .argument("DISK")]),
        "ScrubSnapshot": CommandForm("scrub", ["SnapshotId": .argument("SNAPSHOT")]),
        "CreateInstance": CommandForm(
            "instance create",
            [
                "InstanceName": .argument("NAME"), "ImageId": .option("--image", "IMAGE"),
                "Description": .option("--description", "TEXT"),
            ]),
        "DeleteInstance": CommandForm("instance delete", ["InstanceId": .argument("INSTANCE")]),
        "ModifyInstanceAttribute": CommandForm(
            "instance rename",
            ["InstanceId": .argument("INSTANCE"), "InstanceName": .argument("NEW-NAME")]),
        "DescribeInstances": CommandForm("instance list"),
        "CreateImage": CommandForm(
            "image create",
            [
                "ImageName": .argument("NAME"),
                "SnapshotId": .option("--snapshot", "SNAPSHOT", isRequired: true),
                "Description": .option("--description", "TEXT"),
            ]),
        "DeleteImage": CommandForm("image delete", ["ImageId": .argument("IMAGE")]),
        "DescribeImages": CommandForm("image list"),
        "ModifyImageSharePermission": CommandForm(
            "image share",
            [
                "ImageId": .argument("IMAGE"), "AddAccount.1": .option("--add", "ACCOUNT"),
                "RemoveAccount.1": .option("--remove", "ACCOUNT"),
            ]),
        "CopyImage": CommandForm(
            "image copy", ["ImageId": .argument("IMAGE"), "Store": .argument("OTHER")]),
        "ExportImage": CommandForm(
            "image export", ["ImageId": .argument("IMAGE"), "Folder": .argument("FOLDER")]),
        "CreateAutoSnapshotPolicy": CommandForm(
            "policy create",
            [
                "autoSnapshotPolicyName": .argument("NAME"),
                "timePoints": .option("--hours", "HOURS", isRequired: true),
                "repeatWeekdays": .option("--weekdays", "DAYS"),
                "retentionDays": .option("--keep", "DAYS"),
            ]),
        "ModifyAutoSnapshotPolicyEx": CommandForm(
            "policy change",
            [
                "autoSnapshotPolicyId": .argument("POLICY"),
                "timePoints": .option("--hours", "HOURS"),
                "repeatWeekdays": .option("--weekdays", "DAYS"),
                "retentionDays": .option("--keep", "DAYS"),
            ]),
        "DeleteAutoSnapshotPolicy": CommandForm(
            "policy delete", ["autoSnapshotPolicyId": .argument("POLICY")]),
        "DescribeAutoSnapshotPolicyEx": CommandForm("policy list"),
        "ApplyAutoSnapshotPolicy": CommandForm(
            "policy apply",
            ["autoSnapshotPolicyId": .argument("POLICY"), "diskIds": .argument("DISK…")]),
        "CancelAutoSnapshotPolicy": CommandForm(
            "policy cancel", ["diskIds": .argument("DISK…")]),
        "DescribeStore": CommandForm("api DescribeStore"),
    ]

    /// The whole command; what it demands and `values` does not hold, or holds as `…`, is named.
    func line(_ values: [String: String]) -> String {
        let pieces = places.compactMap { name, place -> String? in
            let value = values[name].flatMap { $0 == "…" ? nil : $0 }
            switch place {
            case .argument(let valueName): return value ?? valueName
            case .option(let option, let valueName, let isRequired):
                guard isRequired || values[name] != nil else { return nil }
                return "\(option) \(value ?? valueName)"
            case .flags: return value.flatMap { self.option(name, $0) }
            }
        }
        return (["sealdisk", words] + pieces).joined(separator: " ")
    }

    /// One parameter, with or without a value, as the command has it; nil if it does not.
    func option(_ name: String, _ value: String?) -> String? {
        guard let place = places.first(where: { $0.key == name })?.value else { return nil }
        switch place {
        case .argument(let valueName): return value ?? valueName
        case .option(let option, _, _): return value.map { "\(option) \($0)" } ?? option
        case .flags(let yes, let no): return value == "false" ? no : yes
        }
    }
}
