import DiskFormat
import Testing

@testable import ControlPlane

@Suite struct SnapshotActionTests {
    @Test(arguments: [false, true]) func snapshotsAreTakenShownAndDeleted(encrypted: Bool) throws {
        let fixture = try Fixture()
        let disk = try fixture.disk("data", encrypted: encrypted)
        try fixture.done("AttachDisk DiskId=data")
        _ = fixture.mount.takeCalls()
        let made = try fixture.done(
            "CreateSnapshot DiskId=data SnapshotName=monday Description='before the move'")
        let id = try #require(made["SnapshotId"]?.string)
        #expect(SnapshotID(id) != nil)
        #expect(fixture.mount.takeCalls() == ["flush", "snapshot created"])
        let all = try fixture.done("DescribeSnapshots DiskId=data")
        let snapshot = try #require(all["Snapshots"]?["Snapshot"]?.array?.first)
        #expect(snapshot["SnapshotId"]?.string == id)
        #expect(snapshot["SnapshotName"]?.string == "monday")
        #expect(snapshot["Description"]?.string == "before the move")
        #expect(snapshot["SourceDiskId"]?.string == disk)
        #expect(snapshot["Encrypted"]?.bool == encrypted)
        #expect(snapshot["SizeBytes"]?.unsigned == 1 << 20)
        #expect(snapshot["Status"]?.string == "accomplished")
        #expect(try fixture.describe("data")["SnapshotCount"]?.unsigned == 1)
        try fixture.done("DeleteSnapshot SnapshotId=monday")
        #expect(fixture.mount.takeCalls() == ["snapshot deleted"])
        try fixture.refused("DeleteSnapshot SnapshotId=monday", "InvalidSnapshotId.NotFound")
    }

    @Test func aDetachedDiskHasNothingToFlush() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true)
        _ = fixture.mount.takeCalls()
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        #expect(fixture.mount.takeCalls() == ["snapshot created"])
    }

    @Test func mappingsThatCannotBeWrittenStopTheSnapshot() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        try fixture.done("AttachDisk DiskId=data")
        fixture.mount.state.withLock { $0.flushFails = true }
        try fixture.refused("CreateSnapshot DiskId=data", "InternalError.Storage")
        #expect(try fixture.snapshotNames("").isEmpty)
    }

    @Test func anOpenSnapshotStays() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        let id = try fixture.plane.snapshot("s").summary.id
        _ = fixture.mount.state.withLock { $0.openSnapshots.insert(id) }
        try fixture.refused("DeleteSnapshot SnapshotId=s", "IncorrectSnapshotStatus.Open")
        #expect(try fixture.snapshotNames("") == ["s"])
    }

    @Test(arguments: [false, true]) func aDiskFromASnapshot(encrypted: Bool) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: encrypted)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        try fixture.done("CreateDisk DiskName=same SnapshotId=s")
        try fixture.done("CreateDisk DiskName=large SnapshotId=s Size=1 Encrypted=\(encrypted)")
        let same = try fixture.describe("same")
        let large = try fixture.describe("large")
        #expect(same["SizeBytes"]?.unsigned == 1 << 20)
        #expect(large["SizeBytes"]?.unsigned == 1 << 30)
        #expect(same["Encrypted"]?.bool == encrypted)
        #expect(same["Lineage"] == large["Lineage"])
        #expect(Set(try fixture.diskNames("SnapshotId=s")) == ["same", "large"])
        let converted = try fixture.refused(
            "CreateDisk SnapshotId=s Encrypted=\(!encrypted)", "InvalidParameter.Encrypted")
        #expect(converted.recommend.contains("rsync"))
        try fixture.refused("CreateDisk SnapshotId=s Size=512KiB", "InvalidDiskSize.TooSmall")
    }

    @Test func rollbackTakesContentAndSizeBack() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        try fixture.done("AttachDisk DiskId=data")
        try fixture.done("ResizeDisk DiskId=data NewSize=2MiB")
        _ = fixture.mount.takeCalls()
        try fixture.done("ResetDisk DiskId=data SnapshotId=s")
        #expect(fixture.mount.takeCalls() == ["block", "replaced \(1 << 20)", "allow"])
        #expect(try fixture.describe("data")["SizeBytes"]?.unsigned == 1 << 20)
        try fixture.done("DetachDisk DiskId=data")
        try fixture.done("ResetDisk DiskId=data SnapshotId=s")
    }

    @Test func rollbackIsToASnapshotOfTheDiskItself() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("one")
        _ = try fixture.disk("two")
        try fixture.done("CreateSnapshot DiskId=one SnapshotName=s")
        try fixture.refused(
            "ResetDisk DiskId=two SnapshotId=s", "InvalidSnapshotId.SourceDiskMismatch")
        try fixture.refused("ResetDisk DiskId=one SnapshotId=t", "InvalidSnapshotId.NotFound")
        try fixture.refused("ResetDisk DiskId=one", "MissingParameter.SnapshotId")
    }

    @Test func rollbackNeedsTheDiskForItself() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        try fixture.done("AttachDisk DiskId=data")
        let id = try fixture.plane.disk("data").summary.id
        _ = fixture.mount.state.withLock { $0.openDisks.insert(id) }
        try fixture.refused("ResetDisk DiskId=data SnapshotId=s", "IncorrectDiskStatus.Open")
        try fixture.refused("ReInitDisk DiskId=data", "IncorrectDiskStatus.SnapshotExists")
        try fixture.done("DeleteSnapshot SnapshotId=s")
        try fixture.refused("ReInitDisk DiskId=data", "IncorrectDiskStatus.Open")
    }

    @Test func reInitialisation() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        try fixture.refused("ReInitDisk DiskId=data", "IncorrectDiskStatus.SnapshotExists")
        try fixture.done("CreateDisk DiskName=copy SnapshotId=s")
        try fixture.done("ReInitDisk DiskId=copy")
        try fixture.done("DeleteSnapshot SnapshotId=s")
        try fixture.refused("ReInitDisk DiskId=copy", "InvalidSourceSnapshot")
        try fixture.done("AttachDisk DiskId=data")
        _ = fixture.mount.takeCalls()
        try fixture.done("ReInitDisk DiskId=data")
        #expect(fixture.mount.takeCalls() == ["block", "replaced \(1 << 20)", "allow"])
    }

    @Test(arguments: [
        ("DiskId=data SnapshotName=a.json", "InvalidParameter.SnapshotName"),
        ("DiskId=data SnapshotName=a.sealed", "InvalidParameter.SnapshotName"),
        ("DiskId=data SnapshotName=s-00000000000000000000", "InvalidParameter.SnapshotName"),
        ("DiskId=data SnapshotName=..", "InvalidParameter.SnapshotName"),
        ("DiskId=nope", "InvalidDiskId.NotFound"),
        ("", "MissingParameter.DiskId"),
        ("DiskId=data Name=x", "InvalidParameter.Name"),
    ]) func createSnapshotRefuses(parameters: String, code: String) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        try fixture.refused("CreateSnapshot \(parameters)", code)
        #expect(try fixture.snapshotNames("").isEmpty)
    }

    @Test func snapshotsOutliveTheirDisk() throws {
        let fixture = try Fixture()
        let id = try fixture.disk("data", encrypted: true)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        try fixture.done("DeleteDisk DiskId=data")
        #expect(try fixture.snapshotNames("DiskId=\(id)") == ["s"])
        let all = try fixture.done("DescribeSnapshots SnapshotId=s")
        let snapshot = try #require(all["Snapshots"]?["Snapshot"]?.array?.first)
        #expect(snapshot["SourceDiskExists"]?.bool == false)
        try fixture.done("CreateDisk DiskName=again SnapshotId=s")
        try fixture.done("AttachDisk DiskId=again")
    }

    @Test func aClientTokenMakesOneSnapshot() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        let request = "CreateSnapshot DiskId=data ClientToken=t"
        let first = try fixture.done(request)["SnapshotId"]
        #expect(try fixture.done(request)["SnapshotId"] == first)
        try fixture.refused("\(request) SnapshotName=other", "IdempotentParameterMismatch")
    }
}
