/// One action of the API: its name, the parameters it knows, and what it does.
struct Action: Sendable {
    let name: String
    /// Every parameter it takes, besides those that all take; `n` stands for a number.
    let parameters: [String]
    /// Whether it may change something.
    let changes: Bool
    /// Whether it waits for its turn among those that change something. One that may take long, and
    /// that the engine keeps from getting in the way of others, does not.
    let takesTurn: Bool
    let perform: @Sendable (ControlPlane, Arguments) throws(Refusal) -> JSONObject

    /// Parameters that every action takes, or every one that changes something.
    static func commonParameters(of action: Action) -> [String] {
        action.changes ? ["RegionId", "DryRun"] : ["RegionId"]
    }

    /// Whether it is allowed where nothing may change: it describes, or says which disks can be
    /// read.
    var isForReading: Bool { !changes || ["AttachDisk", "DetachDisk"].contains(name) }

    /// The action of that very name.
    static func named(_ name: String) throws(Refusal) -> Action {
        if let action = all.first(where: { $0.name == name }) { return action }
        let names = all.map(\.name)
        throw Refusal(
            .invalidAction, "There is no action '\(name)'.",
            recommend: Suggestion.nearest(to: name, among: names).map { "Did you mean \($0)?" }
                ?? "The actions are \(names.joined(separator: ", ")).")
    }

    /// All there are.
    static let all: [Action] = keysAndStore + onServiceKey + disks + snapshots + ofAccount

    /// Parameters of every list.
    static let paging = ["PageNumber", "PageSize", "MaxResults", "NextToken"]

    private static let keysAndStore: [Action] = [
        Action("OpenKmsService", []) { plane, arguments throws(Refusal) in
            try plane.openKmsService(arguments)
        },
        Action(describing: "DescribeKey", ["KeyId"]) { plane, arguments throws(Refusal) in
            try plane.describeKey(arguments)
        },
        Action(describing: "ListKeys", ["PageNumber", "PageSize"]) {
            plane, arguments throws(Refusal) in try plane.listKeys(arguments)
        },
        // It waits for the KMS, once for each data key.
        Action("RewrapDataKeys", [], takesTurn: false) { plane, arguments throws(Refusal) in
            try plane.rewrapDataKeys(arguments)
        },
        Action(describing: "DescribeStore", []) { plane, arguments throws(Refusal) in
            try plane.describeStore(arguments)
        },
    ]

    private static let disks: [Action] = [
        Action(
            "CreateDisk",
            [
                "DiskName", "Description", "DiskCategory", "DiskType", "Size", "Encrypted",
                "SnapshotId", "KMSKeyId", "ClientToken", "DeleteWithInstance", "DeleteAutoSnapshot",
                "LimitSpeed",
            ]
        ) { plane, arguments throws(Refusal) in try plane.createDisk(arguments) },
        Action("DeleteDisk", ["DiskId"]) { plane, arguments throws(Refusal) in
            try plane.deleteDisk(arguments)
        },
        Action(
            describing: "DescribeDisks",
            [
                "DiskId", "DiskIds", "DiskName", "Encrypted", "Status", "SnapshotId", "Category",
                "InstanceId",
            ] + paging
        ) { plane, arguments throws(Refusal) in try plane.describeDisks(arguments) },
        Action(
            "ModifyDiskAttribute",
            [
                "DiskId", "DiskName", "Description", "DeleteWithInstance", "DeleteAutoSnapshot",
                "LimitSpeed",
            ]
        ) { plane, arguments throws(Refusal) in try plane.modifyDisk(arguments) },
        // It waits for the KMS, and replays a log.
        Action(
            "AttachDisk",
            ["DiskId", "DiskName", "InstanceId", "Encrypted", "AcceptRollback", "Fence"],
            takesTurn: false
        ) { plane, arguments throws(Refusal) in try plane.attachDisk(arguments) },
        Action("DetachDisk", ["DiskId", "InstanceId"]) { plane, arguments throws(Refusal) in
            try plane.detachDisk(arguments)
        },
        Action("ResizeDisk", ["DiskId", "NewSize"]) { plane, arguments throws(Refusal) in
            try plane.resizeDisk(arguments)
        },
        Action("ResetDisk", ["DiskId", "SnapshotId"]) { plane, arguments throws(Refusal) in
            try plane.resetDisk(arguments)
        },
        Action("ReInitDisk", ["DiskId"]) { plane, arguments throws(Refusal) in
            try plane.reInitDisk(arguments)
        },
    ]

    private static let snapshots: [Action] = [
        Action("CreateSnapshot", ["DiskId", "SnapshotName", "Description", "ClientToken"]) {
            plane, arguments throws(Refusal) in try plane.createSnapshot(arguments)
        },
        Action("ModifySnapshotAttribute", ["SnapshotId", "SnapshotName", "Description"]) {
            plane, arguments throws(Refusal) in try plane.modifySnapshot(arguments)
        },
        Action("DeleteSnapshot", ["SnapshotId"]) { plane, arguments throws(Refusal) in
            try plane.deleteSnapshot(arguments)
        },
        Action("DiscardSnapshotImport", ["SnapshotId"]) { plane, arguments throws(Refusal) in
            try plane.discardSnapshotImport(arguments)
        },
        Action(
            describing: "DescribeSnapshots",
            ["DiskId", "SnapshotId", "SnapshotIds", "SnapshotName", "Encrypted"] + paging
        ) { plane, arguments throws(Refusal) in try plane.describeSnapshots(arguments) },
        Action(
            describing: "DescribeSnapshotChanges",
            ["SnapshotId", "BaseSnapshotId", "StartOffset", "MaxResults"]
        ) { plane, arguments throws(Refusal) in try plane.describeSnapshotChanges(arguments) },
        Action(describing: "DescribeDiskUsage", ["DiskId"]) { plane, arguments throws(Refusal) in
            try plane.describeDiskUsage(arguments)
        },
        Action(describing: "DescribeSnapshotsUsage", ["SnapshotId"]) {
            plane, arguments throws(Refusal) in try plane.describeSnapshotsUsage(arguments)
        },
        Action(
            describing: "ScrubDisk", ["DiskId", "BaseSnapshotId", "StartOffset", "MaxBytes"]
        ) { plane, arguments throws(Refusal) in try plane.scrubDisk(arguments) },
        Action(
            describing: "ScrubSnapshot",
            ["SnapshotId", "BaseSnapshotId", "StartOffset", "MaxBytes"]
        ) { plane, arguments throws(Refusal) in try plane.scrubSnapshot(arguments) },
    ]

    init(
        _ name: String, _ parameters: [String], changes: Bool = true, takesTurn: Bool = true,
        _ perform: @escaping @Sendable (ControlPlane, Arguments) throws(Refusal) -> JSONObject
    ) {
        self.name = name
        self.parameters = parameters
        self.changes = changes
        self.takesTurn = takesTurn
        self.perform = perform
    }

    init(
        describing name: String, _ parameters: [String],
        _ perform: @escaping @Sendable (ControlPlane, Arguments) throws(Refusal) -> JSONObject
    ) {
        self.init(name, parameters, changes: false, takesTurn: false, perform)
    }
}
