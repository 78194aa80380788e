import Testing

@testable import ControlPlane

/// `DryRun=true` says whether a request would be carried out, and carries nothing out.
@Suite struct DryRunTests {
    /// A request of each action that changes something, which would be carried out.
    static let requests = [
        "OpenKmsService", "RewrapDataKeys", "CreateDisk Size=1", "DeleteDisk DiskId=free",
        "ModifyDiskAttribute DiskId=data DiskName=new", "AttachDisk DiskId=free",
        "DetachDisk DiskId=data", "ResizeDisk DiskId=data NewSize=2",
        "ResetDisk DiskId=data SnapshotId=s", "ReInitDisk DiskId=free",
        "CreateSnapshot DiskId=data", "ModifySnapshotAttribute SnapshotId=s SnapshotName=t",
        "DeleteSnapshot SnapshotId=s", "CreateInstance DataDisk.1.Size=1",
        "DeleteInstance InstanceId=web", "ModifyInstanceAttribute InstanceId=web Description=x",
        "CreateImage SnapshotId=s", "DeleteImage ImageId=gold",
        "ModifyImageSharePermission ImageId=gold AddAccount.1=a", "CopyImage ImageId=gold",
        "ExportImage ImageId=gold", "CreateAutoSnapshotPolicy timePoints=1 repeatWeekdays=1",
        "ModifyAutoSnapshotPolicyEx autoSnapshotPolicyId=p timePoints=2",
        "DeleteAutoSnapshotPolicy autoSnapshotPolicyId=p",
        "ApplyAutoSnapshotPolicy autoSnapshotPolicyId=p diskIds=data",
        "CancelAutoSnapshotPolicy diskIds=data",
    ]

    private func fixture() throws -> Fixture {
        let fixture = try Fixture(activated: false)
        for name in ["data", "free"] { _ = try fixture.disk(name) }
        try fixture.done("AttachDisk DiskId=data")
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        try fixture.done("CreateImage ImageName=gold SnapshotId=s")
        try fixture.done("CreateInstance InstanceName=web")
        try fixture.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=p timePoints=1 repeatWeekdays=1")
        return fixture
    }

    @Test(arguments: requests) func nothingIsDone(request: String) throws {
        let fixture = try fixture()
        if request.hasPrefix("DeleteSnapshot") { try fixture.done("DeleteImage ImageId=gold") }
        let before = fixture.files.copy()
        let state = try ["DescribeDisks", "DescribeSnapshots", "DescribeInstances"].map {
            try fixture.done($0)
        }
        let reply = try fixture.done("\(request) DryRun=true")
        #expect(reply["DryRun"] == true && reply.members.count == 1)
        #expect(
            try ["DescribeDisks", "DescribeSnapshots", "DescribeInstances"].map {
                try fixture.done($0)
            } == state)
        #expect(before.names == fixture.files.names)
        #expect(try fixture.keys.isActivated == false)
        // And without it, it is.
        try fixture.done(request)
    }

    @Test func everyActionThatChangesSomethingIsThere() {
        let tried = Set(Self.requests.map { String($0.prefix { $0 != " " }) })
        let all = Action.all.filter(\.changes).map(\.name)
        // An import has to be interrupted before there is one to discard.
        #expect(Set(all).subtracting(tried) == ["DiscardSnapshotImport"])
    }

    @Test func whatWouldBeRefusedIsRefused() throws {
        let fixture = try Fixture()
        try fixture.refused("DeleteDisk DiskId=nope DryRun=true", "InvalidDiskId.NotFound")
        try fixture.refused("CreateDisk Size=1 DryRun=perhaps", "InvalidParameter.DryRun")
        try fixture.refused("DescribeDisks DryRun=true", "InvalidParameter.DryRun")
    }
}
