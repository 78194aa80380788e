import DiskFormat
import Testing

@testable import ControlPlane

/// Images, and rule 9: those of encrypted snapshots stay where they are.
@Suite struct ImageTests {
    private func fixture(encrypted: Bool) throws -> Fixture {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: encrypted)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=monday")
        try fixture.done("CreateImage ImageName=gold SnapshotId=monday")
        return fixture
    }

    private func image(_ fixture: Fixture) throws -> JSON {
        let all = try fixture.done("DescribeImages ImageId=gold")["Images"]?["Image"]?.array
        return try #require(all?.first)
    }

    @Test(arguments: [
        "ModifyImageSharePermission ImageId=gold AddAccount.1=other", "CopyImage ImageId=gold",
        "ExportImage ImageId=gold",
    ]) func onlyPlainOnesLeave(request: String) throws {
        let sealed = try fixture(encrypted: true)
        let refusal = try sealed.refused(request, "EncryptedSnapshot.NotSupported")
        #expect(refusal.message.contains("encrypted") && refusal.kind == .denied)
        #expect(try image(sealed)["IsShared"]?.bool == false)
        try fixture(encrypted: false).done(request)
    }

    @Test func sharingIsRecordedAndTakenBack() throws {
        let fixture = try fixture(encrypted: false)
        try fixture.done(
            "ModifyImageSharePermission ImageId=gold AddAccount.1=a AddAccount.2=b")
        let next = try fixture.reopened()
        #expect(try image(next)["SharedAccounts"]?.array == ["a", "b"])
        try next.done("ModifyImageSharePermission ImageId=gold RemoveAccount.1=a")
        #expect(try image(next)["SharedAccounts"]?.array == ["b"])
        try next.refused("ModifyImageSharePermission ImageId=gold", "MissingParameter.AddAccount.1")
    }

    /// A forged record cannot make an encrypted image look plain.
    @Test func whatTheSnapshotsAreCounts() throws {
        let fixture = try fixture(encrypted: true)
        #expect(try image(fixture)["Encrypted"]?.bool == true)
        let id = try fixture.plane.snapshot("monday").summary.id
        try fixture.plane.register.change { record in
            record.images.append(
                AccountRecord.Image(
                    id: ImageID(random: Array(repeating: 7, count: 20)), name: "forged",
                    description: nil, created: 0,
                    members: [.init(snapshot: id, device: "vdb")]))
        }
        try fixture.refused("ExportImage ImageId=forged", "EncryptedSnapshot.NotSupported")
    }

    @Test func anImageKeepsItsSnapshots() throws {
        let fixture = try fixture(encrypted: false)
        let refusal = try fixture.refused(
            "DeleteSnapshot SnapshotId=monday", "IncorrectSnapshotStatus.InUse")
        #expect(refusal.message.contains("gold"))
        try fixture.done("DeleteImage ImageId=gold")
        try fixture.done("DeleteSnapshot SnapshotId=monday")
        try fixture.refused("DeleteImage ImageId=gold", "InvalidImageId.NotFound")
    }

    @Test func instancesAreMadeOfImages() throws {
        let fixture = try fixture(encrypted: true)
        try fixture.done("CreateInstance InstanceName=web ImageId=gold DataDisk.1.Size=1MiB")
        let disks = try fixture.done("DescribeDisks InstanceId=web")["Disks"]?["Disk"]?.array
        #expect(disks?.map { $0["Encrypted"]?.bool } == [true, false])
    }

    @Test(arguments: [
        ("CreateImage ImageName=new", "MissingParameter.SnapshotId"),
        ("CreateImage ImageName=gold SnapshotId=monday", "AlreadyExists.Name"),
        ("CreateImage SnapshotId=nope", "InvalidSnapshotId.NotFound"),
        ("CreateImage ImageName=../x SnapshotId=monday", "InvalidParameter.ImageName"),
        (
            "CreateImage SnapshotId=monday DiskDeviceMapping.1.SnapshotId=monday",
            "InvalidParameter.SnapshotId"
        ),
    ]) func whatIsRefused(request: String, code: String) throws {
        try fixture(encrypted: false).refused(request, code)
    }
}
