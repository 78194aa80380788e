import ChunkStore
import DiskEngine
import DiskFormat
import Testing

@testable import ControlPlane

@Suite struct DiskActionTests {
    @Test func aDiskIsCreatedBlankAndShown() throws {
        let fixture = try Fixture()
        let id = try fixture.disk("data", size: "20")
        #expect(DiskID(id) != nil)
        let disk = try fixture.describe("data")
        #expect(disk["DiskId"]?.string == id)
        #expect(disk["DiskName"]?.string == "data")
        #expect(disk["Size"]?.unsigned == 20)
        #expect(disk["SizeBytes"]?.unsigned == 20 << 30)
        #expect(disk["Encrypted"]?.bool == false)
        #expect(disk["Status"]?.string == "Available")
        #expect(disk["Category"]?.string == "cloud_essd")
        #expect(disk["KMSKeyId"]?.string == "")
        #expect(disk["StoredBytes"]?.unsigned == 0)
        #expect(fixture.mount.takeCalls() == ["created"])
    }

    @Test func anEncryptedDiskHasTheKeyAndIsMetered() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true)
        let disk = try fixture.describe("data")
        #expect(disk["Encrypted"]?.bool == true)
        let keyID = try #require(try fixture.keys.keyID())
        #expect(disk["KMSKeyId"]?.string == keyID)
        #expect(try fixture.keys.usage()["CreateDisk"] == 1)
    }

    @Test func aDiskWithoutANameGoesByItsId() throws {
        let fixture = try Fixture()
        let id = try #require(try fixture.done("CreateDisk Size=1MiB")["DiskId"]?.string)
        #expect(try fixture.describe(id)["Name"]?.string == id)
        #expect(try fixture.describe(id)["DiskName"]?.string == "")
    }

    /// A name is a path: it is taken once.
    @Test func aTakenNameIsRefused() throws {
        let fixture = try Fixture()
        let first = try fixture.disk("data")
        let refusal = try fixture.refused(
            "CreateDisk DiskName=data Size=1MiB", "AlreadyExists.Name")
        #expect(refusal.message.contains(first) && refusal.kind == .exists)
        #expect(try fixture.diskNames("") == ["data"])
        _ = try fixture.disk("other")
        try fixture.refused("ModifyDiskAttribute DiskId=other DiskName=data", "AlreadyExists.Name")
        #expect(Set(try fixture.diskNames("")) == ["data", "other"])
    }

    @Test(arguments: [true, false]) func aDiskIsRenamed(encrypted: Bool) throws {
        let fixture = try Fixture()
        let id = try fixture.disk("data", encrypted: encrypted)
        try fixture.done("AttachDisk DiskId=data")
        _ = fixture.mount.takeCalls()
        try fixture.done("ModifyDiskAttribute DiskId=data DiskName=photos Description=all")
        #expect(fixture.mount.takeCalls() == ["renamed"])
        #expect(try fixture.describe("photos")["DiskId"]?.string == id)
        #expect(try fixture.describe("photos")["Description"]?.string == "all")
        try fixture.refused("DescribeDisks DiskId=data", "InvalidDiskId.NotFound")
        try fixture.done("ModifyDiskAttribute DiskId=photos DiskName=photos")
        try fixture.done("DetachDisk DiskId=photos")
        try fixture.done("ModifyDiskAttribute DiskId=photos DiskName=data")
        #expect(try fixture.diskNames("") == ["data"])
        try fixture.refused("ModifyDiskAttribute DiskId=data", "MissingParameter.DiskName")
        try fixture.refused(
            "ModifyDiskAttribute DiskId=data DiskName=a/b", "InvalidParameter.DiskName")
    }

    /// Where two disks have one name all the same (the store was changed), both go by their ids.
    @Test func twoDisksOfOneNameGoByTheirIds() throws {
        let fixture = try Fixture()
        let first = try fixture.disk("data")
        let second = try fixture.disk("other")
        let id = try #require(DiskID(second))
        try fixture.store.setAttributes(of: id, to: ["DiskName": "data"])
        #expect(Set(try fixture.diskNames("")) == [first, second])
        let refusal = try fixture.refused("DeleteDisk DiskId=data", "InvalidParameter.DiskId")
        #expect(refusal.message.contains(first) && refusal.message.contains(second))
        try fixture.done("DeleteDisk DiskId=\(first)")
        #expect(try fixture.diskNames("") == ["data"])
    }

    /// The beginning of an id, as lists show it, stands for the whole where no other begins so.
    @Test func theBeginningOfAnIdIsTaken() throws {
        let fixture = try Fixture()
        let id = try fixture.disk("data")
        let beginning = String(id.prefix(ResourceName.shortestIDPrefix))
        #expect(try fixture.describe(beginning)["DiskId"]?.string == id)
        #expect(try fixture.describe(String(id.dropLast()))["DiskId"]?.string == id)
        try fixture.refused("DeleteDisk DiskId=\(id.prefix(7))", "InvalidDiskId.NotFound")
        let snapshot = try #require(
            try fixture.done("CreateSnapshot DiskId=\(beginning)")["SnapshotId"]?.string)
        try fixture.done("ResetDisk DiskId=data SnapshotId=\(snapshot.prefix(8))")
        // A name comes first.
        let other = try fixture.disk(beginning)
        #expect(try fixture.describe(beginning)["DiskId"]?.string == other)
    }

    /// One beginning of several ids is nobody's.
    @Test func anAmbiguousBeginningIsRefused() throws {
        let store = MemoryStore()
        let (keys, entropy) = (TestKeys(isActivated: true), AlikeEntropy())
        _ = try Store.create(in: store, account: "account", region: "region")
        let opened = try Store(
            opening: store, keys: keys, holder: "a test",
            environment: Environment(entropy: entropy))
        let plane = ControlPlane(store: opened, keys: keys, hooks: nil)
        let ids = (0..<2).compactMap { _ in
            plane.perform("CreateDisk Size=1MiB").fields["DiskId"]?.string
        }
        try #require(ids.count == 2 && ids[0].prefix(8) == ids[1].prefix(8))
        let refusal = try #require(plane.perform("DeleteDisk DiskId=\(ids[0].prefix(8))").refusal)
        #expect(refusal.code == "InvalidParameter.DiskId")
        #expect(ids.allSatisfy(refusal.message.contains))
        #expect(plane.perform("DeleteDisk DiskId=\(ids[1])").isSuccess)
        try opened.close()
    }

    /// A record that makes no sense: the disk is listed as damaged, and a name that is not found is
    /// not said to be no disk's.
    @Test func aDamagedRecordIsTold() throws {
        let fixture = try Fixture()
        let id = try fixture.disk("data")
        _ = try fixture.disk("other")
        try fixture.store.close()
        let path = try #require(
            fixture.files.names.first { $0.hasSuffix("\(id).manifest") }.flatMap { ObjectName($0) })
        try fixture.files.replaceObject(path, with: Array("nonsense".utf8))
        let store = try Store(opening: fixture.files, keys: fixture.keys, holder: "a test")
        let plane = ControlPlane(store: store, keys: fixture.keys, hooks: nil)
        let reply = plane.perform("DescribeDisks")
        let damaged = try #require(reply.fields["Damaged"]?.array)
        #expect(damaged.compactMap { $0["Resource"]?.string } == ["disk \(id)"])
        for name in ["data", id] {
            let refusal = try #require(plane.perform("AttachDisk DiskId=\(name)").refusal)
            #expect(refusal.code == "InternalError.DataDamaged" && refusal.message.contains(id))
        }
        #expect(plane.perform("DescribeDisks DiskId=other").isSuccess)
        try store.close()
    }

    @Test(arguments: [
        ("Size=1 DiskName=.", "InvalidParameter.DiskName"),
        ("Size=1 DiskName=a/b", "InvalidParameter.DiskName"),
        ("Size=1 DiskName=-a", "InvalidParameter.DiskName"),
        ("Size=1 DiskName=d-00000000000000000000", "InvalidParameter.DiskName"),
        ("Size=1 DiskName=", "InvalidParameter.DiskName"),
        ("DiskName=a", "MissingParameter.Size"),
        ("Size=", "InvalidParameter.Size"),
        ("Size=33T", "InvalidParameter.Size"),
        ("Size=6KiB", "InvalidParameter.Size"),
        ("Size=1 Encrypted=yes", "InvalidParameter.Encrypted"),
        ("Size=1 Encryptd=true", "InvalidParameter.Encryptd"),
        ("Size=1 DiskCategory=ephemeral_ssd Encrypted=true", "InvalidDiskCategory.NotSupported"),
        ("Size=1 DiskCategory=local_ssd_pro", "InvalidDiskCategory.NotSupported"),
        ("Size=1 DiskCategory=floppy", "InvalidParameter.DiskCategory"),
        ("Size=1 DiskType=system Encrypted=true", "InvalidDiskCategory.NotSupported"),
        ("Size=1 DiskType=system", "InvalidParameter.DiskType"),
        ("Size=1 RegionId=cn-hangzhou", "InvalidRegionId.NotFound"),
        ("SnapshotId=nothing", "InvalidSnapshotId.NotFound"),
    ]) func createDiskRefuses(parameters: String, code: String) throws {
        let fixture = try Fixture()
        try fixture.refused("CreateDisk \(parameters)", code)
        #expect(try fixture.diskNames("").isEmpty)
        #expect(fixture.mount.takeCalls().isEmpty)
    }

    @Test func anotherCaseIsNotIgnored() throws {
        let fixture = try Fixture()
        let refusal = try fixture.refused(
            "CreateDisk Size=1 encrypted=true", "InvalidParameter.encrypted")
        #expect(refusal.recommend.contains("Did you mean Encrypted?"))
        let action = try fixture.refused("createdisk Size=1", "InvalidAction.NotFound")
        #expect(action.recommend == "Did you mean CreateDisk?")
        try fixture.refused("Reboot", "InvalidAction.NotFound")
    }

    @Test func encryptionNeedsTheKMSActivated() throws {
        let fixture = try Fixture(activated: false)
        let code = "InvalidParameter.Encrypted.KmsNotEnabled"
        try fixture.refused("CreateDisk Size=1 Encrypted=true", code)
        try fixture.done("CreateDisk Size=1")
        #expect(try fixture.done("OpenKmsService")["AlreadyActive"]?.bool == false)
        #expect(try fixture.done("OpenKmsService")["AlreadyActive"]?.bool == true)
        try fixture.done("CreateDisk Size=1 Encrypted=true")
    }

    @Test func aClientTokenMakesOneDisk() throws {
        let fixture = try Fixture()
        let request = "CreateDisk Size=1 DiskName=a ClientToken=t1"
        let first = try fixture.done(request)["DiskId"]
        #expect(try fixture.done(request)["DiskId"] == first)
        #expect(try fixture.diskNames("") == ["a"])
        try fixture.refused(
            "CreateDisk Size=2 DiskName=a ClientToken=t1", "IdempotentParameterMismatch")
        let long = String(repeating: "t", count: 65)
        try fixture.refused("CreateDisk Size=1 ClientToken=\(long)", "InvalidParameter.ClientToken")
    }

    @Test func descriptionsAreKept() throws {
        let fixture = try Fixture()
        try fixture.done("CreateDisk DiskName=a Size=1 Description='for the \"books\"'")
        #expect(try fixture.describe("a")["Description"]?.string == "for the \"books\"")
        let long = String(repeating: "x", count: 257)
        try fixture.refused("CreateDisk Size=1 Description=\(long)", "InvalidParameter.Description")
    }

    @Test func deletedDisksAreGone() throws {
        let fixture = try Fixture()
        let id = try fixture.disk("data", encrypted: true)
        try fixture.done("AttachDisk DiskId=data")
        try fixture.refused("DeleteDisk DiskId=data", "IncorrectDiskStatus")
        try fixture.done("DetachDisk DiskId=data")
        _ = fixture.mount.takeCalls()
        try fixture.done("DeleteDisk DiskId=\(id)")
        #expect(fixture.mount.takeCalls() == ["deleted"])
        try fixture.refused("DeleteDisk DiskId=\(id)", "InvalidDiskId.NotFound")
        try fixture.refused("DeleteDisk", "MissingParameter.DiskId")
    }

    @Test func disksGrow() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", size: "1MiB")
        try fixture.done("AttachDisk DiskId=data")
        _ = fixture.mount.takeCalls()
        try fixture.done("ResizeDisk DiskId=data NewSize=2MiB")
        #expect(fixture.mount.takeCalls() == ["resized \(2 << 20)"])
        #expect(try fixture.describe("data")["SizeBytes"]?.unsigned == 2 << 20)
        try fixture.refused("ResizeDisk DiskId=data NewSize=2MiB", "InvalidDiskSize.TooSmall")
        try fixture.refused("ResizeDisk DiskId=data NewSize=1MiB", "InvalidDiskSize.TooSmall")
        try fixture.refused("ResizeDisk DiskId=data", "MissingParameter.NewSize")
        try fixture.refused("ResizeDisk DiskId=data NewSize=64T", "InvalidParameter.NewSize")
        try fixture.refused("ResizeDisk DiskId=date NewSize=1", "InvalidDiskId.NotFound")
    }

    @Test func aDetachedDiskGrowsWhenItIsAttached() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true, size: "1MiB")
        _ = fixture.mount.takeCalls()
        try fixture.done("ResizeDisk DiskId=data NewSize=1")
        #expect(fixture.mount.takeCalls().isEmpty)
        let disk = try fixture.describe("data")
        #expect(disk["PendingSizeBytes"]?.unsigned == 1 << 30)
        #expect(disk["SizeBytes"]?.unsigned == 1 << 20)
        try fixture.refused("ResizeDisk DiskId=data NewSize=2MiB", "InvalidDiskSize.TooSmall")
        try fixture.done("AttachDisk DiskId=data")
        #expect(try fixture.describe("data")["SizeBytes"]?.unsigned == 1 << 30)
    }
}
