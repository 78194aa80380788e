extension Action {
    /// Instances, images and snapshot policies.
    static let ofAccount: [Action] = instances + images + policies

    private static let instances: [Action] = [
        Action(
            "CreateInstance",
            [
                "InstanceName", "Description", "ImageId", "SystemDisk.Encrypted", "ClientToken",
                "DataDisk.n.Size", "DataDisk.n.Category", "DataDisk.n.Encrypted",
                "DataDisk.n.KMSKeyId", "DataDisk.n.SnapshotId", "DataDisk.n.DiskName",
                "DataDisk.n.Description",
                "DataDisk.n.DeleteWithInstance", "DataDisk.n.DeleteAutoSnapshot",
                "DataDisk.n.LimitSpeed",
            ]
        ) { plane, arguments throws(Refusal) in
            try plane.inAccountTurn { () throws(Refusal) in try plane.createInstance(arguments) }
        },
        Action("DeleteInstance", ["InstanceId"]) { plane, arguments throws(Refusal) in
            try plane.inAccountTurn { () throws(Refusal) in try plane.deleteInstance(arguments) }
        },
        Action("ModifyInstanceAttribute", ["InstanceId", "InstanceName", "Description"]) {
            plane, arguments throws(Refusal) in try plane.modifyInstance(arguments)
        },
        Action(
            describing: "DescribeInstances", ["InstanceId", "InstanceIds", "InstanceName"] + paging
        ) { plane, arguments throws(Refusal) in try plane.describeInstances(arguments) },
    ]

    private static let images: [Action] = [
        Action(
            "CreateImage",
            [
                "ImageName", "Description", "SnapshotId", "DiskDeviceMapping.n.SnapshotId",
                "ClientToken",
            ]
        ) { plane, arguments throws(Refusal) in try plane.createImage(arguments) },
        Action("DeleteImage", ["ImageId"]) { plane, arguments throws(Refusal) in
            try plane.deleteImage(arguments)
        },
        Action(describing: "DescribeImages", ["ImageId", "ImageName", "SnapshotId"] + paging) {
            plane, arguments throws(Refusal) in try plane.describeImages(arguments)
        },
        Action("ModifyImageSharePermission", ["ImageId", "AddAccount.n", "RemoveAccount.n"]) {
            plane, arguments throws(Refusal) in try plane.modifyImageShare(arguments)
        },
        Action("CopyImage", ["ImageId"]) { plane, arguments throws(Refusal) in
            try plane.copyImage(arguments)
        },
        Action("ExportImage", ["ImageId"]) { plane, arguments throws(Refusal) in
            try plane.exportImage(arguments)
        },
    ]

    private static let policies: [Action] = [
        Action(
            "CreateAutoSnapshotPolicy",
            [
                "autoSnapshotPolicyName", "timePoints", "repeatWeekdays", "retentionDays",
                "ClientToken",
            ]
        ) { plane, arguments throws(Refusal) in try plane.createPolicy(arguments) },
        Action(
            "ModifyAutoSnapshotPolicyEx",
            [
                "autoSnapshotPolicyId", "autoSnapshotPolicyName", "timePoints", "repeatWeekdays",
                "retentionDays",
            ]
        ) { plane, arguments throws(Refusal) in try plane.modifyPolicy(arguments) },
        Action("DeleteAutoSnapshotPolicy", ["autoSnapshotPolicyId"]) {
            plane, arguments throws(Refusal) in try plane.deletePolicy(arguments)
        },
        Action(
            describing: "DescribeAutoSnapshotPolicyEx", ["AutoSnapshotPolicyId"] + paging
        ) { plane, arguments throws(Refusal) in try plane.describePolicies(arguments) },
        Action("ApplyAutoSnapshotPolicy", ["autoSnapshotPolicyId", "diskIds"]) {
            plane, arguments throws(Refusal) in try plane.applyPolicy(arguments)
        },
        Action("CancelAutoSnapshotPolicy", ["diskIds"]) { plane, arguments throws(Refusal) in
            try plane.cancelPolicy(arguments)
        },
    ]
}
