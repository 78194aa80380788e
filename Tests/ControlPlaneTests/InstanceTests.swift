import ChunkStore
import DiskEngine
import DiskFormat
import Testing

@testable import ControlPlane

/// Instances, and at how many of them a disk is.
@Suite struct InstanceTests {
    private func disks(_ fixture: Fixture, of instance: String) throws -> [String] {
        let all = try fixture.done("DescribeInstances InstanceId=\(instance)")
        let disks = all["Instances"]?["Instance"]?.array?.first?["DataDisks"]?["DataDisk"]?.array
        return try #require(disks).map {
            "\($0["Device"]?.string ?? "")=\($0["DiskId"]?.string ?? "")"
        }
    }

    @Test func theHostIsAlwaysThere() throws {
        let fixture = try Fixture()
        let all = try fixture.done("DescribeInstances")["Instances"]?["Instance"]?.array
        #expect(all?.map { $0["InstanceName"]?.string } == ["local"])
        try fixture.refused("DeleteInstance InstanceId=local", "OperationDenied.NoPermission")
        try fixture.refused(
            "ModifyInstanceAttribute InstanceId=local InstanceName=x",
            "OperationDenied.NoPermission")
    }

    @Test func disksHaveDeviceNamesOfTheirOwn() throws {
        let fixture = try Fixture()
        let ids = try ["a", "b", "c"].map { try fixture.disk($0) }
        for name in ["a", "b"] { try fixture.done("AttachDisk DiskId=\(name)") }
        #expect(try disks(fixture, of: "local") == ["vdb=\(ids[0])", "vdc=\(ids[1])"])
        try fixture.done("DetachDisk DiskId=a")
        let reply = try fixture.done("AttachDisk DiskId=c")
        #expect(reply["Device"]?.string == "vdb" && reply["InstanceId"]?.string == "i-local")
        #expect(
            fixture.mount.state.withLock { $0.instances }.first?.disks.map(\.device)
                == ["vdc", "vdb"])
    }

    /// Rule 10.
    @Test func anOrdinaryDiskIsAtOneInstanceAtATime() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        try fixture.done("CreateInstance InstanceName=web")
        try fixture.done("AttachDisk DiskId=data InstanceId=web")
        let refusal = try fixture.refused(
            "AttachDisk DiskId=data InstanceId=local", "IncorrectDiskStatus")
        #expect(refusal.message.contains("one at a time"))
        try fixture.refused("DetachDisk DiskId=data InstanceId=local", "IncorrectDiskStatus")
        try fixture.refused("DeleteDisk DiskId=data", "IncorrectDiskStatus")
        #expect(try fixture.diskNames("InstanceId=web") == ["data"])
        try fixture.done("DetachDisk DiskId=data")
        try fixture.done("AttachDisk DiskId=data InstanceId=i-local")
    }

    /// Rule 10, with a data key that stays until the last instance has gone.
    @Test func sharedStorageIsAtUpToSixteen() throws {
        let fixture = try Fixture()
        try fixture.done(
            "CreateDisk DiskName=shared Size=20 DiskCategory=san_ssd Encrypted=true")
        for number in 1...17 { try fixture.done("CreateInstance InstanceName=i\(number)") }
        for number in 1...16 {
            try fixture.done("AttachDisk DiskId=shared InstanceId=i\(number)")
        }
        let refusal = try fixture.refused(
            "AttachDisk DiskId=shared InstanceId=i17", "IncorrectDiskStatus")
        #expect(refusal.message.contains("up to 16"))
        try fixture.refused("DetachDisk DiskId=shared", "MissingParameter.InstanceId")
        for number in 1...15 {
            try fixture.done("DetachDisk DiskId=shared InstanceId=i\(number)")
            #expect(try fixture.describe("shared")["Open"]?.bool == true)
        }
        try fixture.done("DetachDisk DiskId=shared")
        #expect(try fixture.describe("shared")["Status"]?.string == "Available")
        #expect(try fixture.describe("shared")["Open"]?.bool == false)
    }

    /// The key service is away: a disk is taken off all the same, and stays with the others.
    @Test func aServiceThatIsAwayKeepsNoInstance() throws {
        let fixture = try Fixture()
        try fixture.done(
            "CreateDisk DiskName=shared Size=20 DiskCategory=san_ssd Encrypted=true")
        for name in ["one", "two"] {
            try fixture.done("CreateInstance InstanceName=\(name)")
            try fixture.done("AttachDisk DiskId=shared InstanceId=\(name)")
        }
        fixture.keys.fail(with: .init(.unavailable, "away"))
        try fixture.done("DetachDisk DiskId=shared InstanceId=one")
        #expect(try fixture.describe("shared")["Open"]?.bool == true)
        fixture.keys.fail(with: nil)
    }

    /// With the last of a lineage its data key goes, also by way of an instance.
    @Test func thatADataKeyGoesWithAnInstanceIsSaid() throws {
        let fixture = try Fixture()
        let disk = "DataDisk.1.Size=1MiB DataDisk.1.DeleteWithInstance=true"
        try fixture.done("CreateInstance InstanceName=a \(disk) DataDisk.1.Encrypted=true")
        try fixture.done("CreateInstance InstanceName=b \(disk)")
        let sealed = try fixture.done("DeleteInstance InstanceId=a")
        #expect(sealed["DataKeyDestroyed"] == true && sealed["Note"]?.string != nil)
        #expect(try fixture.done("DeleteInstance InstanceId=b")["DataKeyDestroyed"] == nil)
    }

    /// The store is full: what frees it, or lets go of it, is recorded all the same.
    @Test func aDiskOfAFullStoreIsTakenOffItsInstance() throws {
        let files = MemoryStore(capacity: 24 << 20)
        _ = try Store.create(in: files, account: "account", region: "region")
        let fixture = try Fixture(over: files, keys: TestKeys(isActivated: true))
        try fixture.done("CreateInstance InstanceName=web DataDisk.1.Size=1 DataDisk.1.DiskName=d")
        let disk = try #require(fixture.store.attachedDisks().first)
        let piece = [UInt8](repeating: 7, count: 64 << 10)
        for offset in stride(from: 0, to: UInt64(1) << 30, by: piece.count) {
            let isFull = piece.withUnsafeBytes { bytes in
                (try? disk.write(bytes, at: offset)) == nil
            }
            if isFull { break }
        }
        // Not a byte more than the reserve has.
        try fixture.done("DetachDisk DiskId=d")
        try fixture.done("DeleteInstance InstanceId=web")
        let next = try fixture.reopened()
        #expect(try next.done("DescribeInstances")["TotalCount"]?.unsigned == 1)
        #expect(try next.describe("d")["Status"]?.string == "Available")
    }

    @Test func whereADiskIsOutlivesTheMount() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true)
        try fixture.done("CreateInstance InstanceName=web")
        try fixture.done("AttachDisk DiskId=data InstanceId=web")
        let next = try fixture.reopened()
        let disk = try next.describe("data")
        #expect(disk["Status"]?.string == "In_use" && disk["Open"]?.bool == false)
        try next.refused("AttachDisk DiskId=data InstanceId=local", "IncorrectDiskStatus")
        // It comes back to where it was.
        #expect(try next.done("AttachDisk DiskId=data")["InstanceId"]?.string != "i-local")
        #expect(try next.describe("data")["Open"]?.bool == true)
        let last = try next.reopened()
        try last.done("DetachDisk DiskId=data")
        #expect(try last.describe("data")["Status"]?.string == "Available")
    }

    @Test func anInstanceIsMadeWithItsDisks() throws {
        let fixture = try Fixture()
        let reply = try fixture.done(
            "CreateInstance InstanceName=web DataDisk.1.Size=1MiB DataDisk.1.Encrypted=true"
                + " DataDisk.1.DiskName=one DataDisk.2.Size=20 DataDisk.2.Category=cloud_ssd"
                + " DataDisk.2.DeleteWithInstance=true DataDisk.2.DiskName=two")
        #expect(reply["DiskIds"]?["DiskId"]?.array?.count == 2)
        let one = try fixture.describe("one")
        #expect(one["Encrypted"]?.bool == true && one["Device"]?.string == "vdb")
        #expect(try fixture.describe("two")["Category"]?.string == "cloud_ssd")
        #expect(try fixture.diskNames("InstanceId=web Status=In_use").count == 2)
        #expect(
            try fixture.done("DeleteInstance InstanceId=web")["DeletedDiskIds"]?["DiskId"]?.array?
                .count == 1)
        #expect(try fixture.diskNames("") == ["one"])
        #expect(try fixture.describe("one")["Status"]?.string == "Available")
        try fixture.refused("DescribeInstances InstanceId=web", "InvalidInstanceId.NotFound")
    }

    @Test(arguments: [
        ("DataDisk.1.DiskName=a", "MissingParameter.DataDisk.1.Size"),
        ("DataDisk.1.Size=x", "InvalidParameter.DataDisk.1.Size"),
        ("DataDisk.1.Sise=20", "InvalidParameter.DataDisk.1.Sise"),
        ("DataDisk.1.Size=1 DataDisk.1.Category=cloud_ssd", "InvalidDiskSize.NotSupported"),
        (
            "DataDisk.1.Size=20 DataDisk.1.Category=ephemeral_ssd DataDisk.1.Encrypted=true",
            "InvalidDiskCategory.NotSupported"
        ),
        ("SystemDisk.Encrypted=true", "InvalidDiskCategory.NotSupported"),
        (
            "DataDisk.1.Size=1 DataDisk.1.DiskName=a DataDisk.2.Size=1 DataDisk.2.DiskName=a",
            "InvalidParameter.DataDisk.n.DiskName"
        ),
        ("DataDisk.1.SnapshotId=nope", "InvalidSnapshotId.NotFound"),
        ("ImageId=nope", "InvalidImageId.NotFound"),
        ("InstanceName=i-local", "InvalidParameter.InstanceName"),
        ("InstanceName=local", "InvalidParameter.InstanceName"),
    ]) func whatIsRefused(parameters: String, code: String) throws {
        let fixture = try Fixture()
        try fixture.refused("CreateInstance \(parameters)", code)
        #expect(try fixture.diskNames("").isEmpty)
    }

    /// Rule 7, for an instance.
    @Test func withoutTheServiceThereIsNoEncryptedInstance() throws {
        let fixture = try Fixture(activated: false)
        try fixture.refused(
            "CreateInstance DataDisk.1.Size=1 DataDisk.2.Size=1 DataDisk.2.Encrypted=true",
            "InvalidParameter.Encrypted.KmsNotEnabled")
        #expect(try fixture.diskNames("").isEmpty)
    }

    @Test func aTokenMakesOneInstance() throws {
        let fixture = try Fixture()
        let request = "CreateInstance InstanceName=web DataDisk.1.Size=1 ClientToken=t"
        let made = try fixture.done(request)
        let next = try fixture.reopened()
        #expect(try next.done(request)["InstanceId"] == made["InstanceId"])
        try next.refused("CreateInstance ClientToken=t", "IdempotentParameterMismatch")
        #expect(try next.diskNames("").count == 1)
    }

    /// All disks or none, and nothing half done, whichever call of the store fails.
    @Test func aFailureLeavesNothingBehind() throws {
        let request =
            "CreateInstance InstanceName=web DataDisk.1.Size=1MiB DataDisk.2.Size=1MiB"
            + " DataDisk.2.Encrypted=true"
        var (call, isDone) = (1, false)
        while !isDone {
            let fixture = try Fixture()
            fixture.faults.arm(Fault(Set(StoreOperation.allCases), call: call))
            let reply = fixture.plane.perform(request)
            fixture.faults.disarm()
            let count = try fixture.diskNames("").count
            #expect(count == (reply.isSuccess ? 2 : 0), "call \(call): \(reply.json)")
            isDone = reply.isSuccess && call > 40
            call += 1
            try? fixture.store.close()
        }
    }

    /// The host dies at any call; the next one finds all of it or nothing.
    @Test(arguments: ["CreateInstance", "DeleteInstance"])
    func aCrashLeavesNothingHalfDone(action: String) throws {
        let create =
            "CreateInstance InstanceName=web DataDisk.1.Size=1MiB DataDisk.2.Size=1MiB"
            + " DataDisk.1.DeleteWithInstance=true DataDisk.2.DeleteWithInstance=true"
        var (call, outcomes): (Int, Set<Int>) = (1, [])
        while call < 60 {
            let fixture = try Fixture()
            if action == "DeleteInstance" { try fixture.done(create) }
            fixture.faults.arm(
                Fault(Set(StoreOperation.allCases), call: call, isLasting: true))
            _ = fixture.plane.perform(
                action == "CreateInstance" ? create : "DeleteInstance InstanceId=web")
            let left = fixture.files.copy()
            left.crash()
            let next = try Fixture(over: left, keys: fixture.keys)
            let count = try next.diskNames("").count
            let instances = try next.done("DescribeInstances")["TotalCount"]?.unsigned
            #expect(count == 0 && instances == 1 || count == 2 && instances == 2, "call \(call)")
            outcomes.insert(count)
            fixture.faults.disarm()
            try? fixture.store.close()
            try next.store.close()
            call += 1
        }
        #expect(outcomes == [0, 2])
    }

    /// The record of what belongs together is damaged: disks work as ever.
    @Test func aDamagedRecordKeepsNoDiskAway() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true)
        try fixture.done("CreateInstance InstanceName=web")
        let name = try #require(ObjectName("account.json"))
        try fixture.store.close()
        try fixture.files.replaceObject(name, with: Array("{}\n".utf8))
        let next = try Fixture(over: fixture.files, keys: fixture.keys)
        try next.done("AttachDisk DiskId=data")
        try next.done("CreateSnapshot DiskId=data SnapshotName=s")
        let refusal = try next.refused("DescribeInstances", "InternalError.DataDamaged")
        #expect(refusal.message.contains("account.json") && refusal.message.contains("remove it"))
        try next.refused("CreateInstance InstanceName=x", "InternalError.DataDamaged")
        try next.done("DetachDisk DiskId=data")
        try next.done("DeleteSnapshot SnapshotId=s")
        // It is not written over.
        #expect(try next.files.readObject(name, limit: 16) == Array("{}\n".utf8))
        try next.files.remove(name)
        try next.reopened().done("CreateInstance InstanceName=x")
    }
}
