import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import ControlPlane

@Suite struct AttachTests {
    @Test(arguments: [false, true]) func attachAndDetach(encrypted: Bool) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: encrypted)
        _ = fixture.mount.takeCalls()
        try fixture.done("AttachDisk DiskId=data InstanceId=i-local Encrypted=\(encrypted)")
        #expect(fixture.mount.takeCalls() == ["attached"])
        #expect(try fixture.describe("data")["Status"]?.string == "In_use")
        #expect(try fixture.describe("data")["InstanceId"]?.string == "i-local")
        try fixture.refused("AttachDisk DiskName=data", "IncorrectDiskStatus")
        try fixture.done("DetachDisk DiskId=data InstanceId=i-local")
        #expect(fixture.mount.takeCalls() == ["block", "detached", "allow"])
        #expect(try fixture.describe("data")["Status"]?.string == "Available")
        try fixture.refused("DetachDisk DiskId=data", "IncorrectDiskStatus")
        try fixture.done("AttachDisk DiskName=data")
    }

    @Test func sharedDisksAreAttachedOncePerInstanceToo() throws {
        let fixture = try Fixture()
        try fixture.done("CreateDisk DiskName=shared Size=20 DiskCategory=san_ssd")
        try fixture.done("AttachDisk DiskId=shared")
        try fixture.refused("AttachDisk DiskId=shared", "IncorrectDiskStatus")
    }

    @Test func encryptionCanBeDemanded() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("plain")
        _ = try fixture.disk("sealed", encrypted: true)
        try fixture.refused("AttachDisk DiskId=plain Encrypted=true", "InvalidParameter.Encrypted")
        try fixture.refused(
            "AttachDisk DiskId=sealed Encrypted=false", "InvalidParameter.Encrypted")
        #expect(try fixture.diskNames("Status=In_use").isEmpty)
    }

    @Test func anOpenDiskStaysAttached() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        try fixture.done("AttachDisk DiskId=data")
        let id = try fixture.plane.disk("data").summary.id
        _ = fixture.mount.state.withLock { $0.openDisks.insert(id) }
        _ = fixture.mount.takeCalls()
        let refusal = try fixture.refused("DetachDisk DiskId=data", "IncorrectDiskStatus.Open")
        #expect(refusal.message.hasPrefix("disk 'data' is open (1 handle)"))
        #expect(fixture.mount.takeCalls() == ["block"])
        #expect(try fixture.diskNames("Status=In_use") == ["data"])
        fixture.mount.state.withLock { $0.openDisks = [] }
        try fixture.done("DetachDisk DiskId=data")
        #expect(fixture.mount.state.withLock { $0.blocked.isEmpty })
    }

    /// Who asked for a disk by its name is not answered with the ids of lineages alone.
    @Test(arguments: [false, true]) func failuresBelowNameTheDisk(encrypted: Bool) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: encrypted)
        let lineage = try fixture.plane.disk("data").summary.lineage
        let path = ObjectName(StoreLayout.lineageManifest(lineage))!  // the layout's own name
        let manifest = try fixture.files.readObject(path, limit: 1 << 20)
        var changed = manifest
        changed[manifest.count - 2] ^= 1  // the last digit of its MAC
        try fixture.files.replaceObject(path, with: changed)
        let damaged = try fixture.refused("AttachDisk DiskId=data", "InternalError.DataDamaged")
        #expect(damaged.message.hasPrefix("attaching disk 'data': opening lineage \(lineage)"))
        #expect(damaged.recommend.contains("from a copy"))
        let snapshot = try fixture.refused(
            "CreateSnapshot DiskId=data", "InternalError.DataDamaged")
        #expect(snapshot.message.hasPrefix("taking a snapshot of disk 'data': "))
        try fixture.files.replaceObject(path, with: manifest)
        try fixture.done("AttachDisk DiskId=data")
    }

    @Test func withoutAMountNothingIsAttached() throws {
        let fixture = try Fixture(mounted: false)
        _ = try fixture.disk("data")
        let refusal = try fixture.refused("AttachDisk DiskId=data", "OperationDenied.NotMounted")
        #expect(refusal.recommend.contains("sealdisk mount"))
    }

    @Test(arguments: [
        ("AttachDisk", "MissingParameter.DiskId"),
        ("AttachDisk DiskId=data DiskName=data", "InvalidParameter.DiskName"),
        ("AttachDisk DiskId=nope", "InvalidDiskId.NotFound"),
        ("AttachDisk DiskId=data InstanceId=i-other", "InvalidInstanceId.NotFound"),
        ("DetachDisk DiskId=data InstanceId=i-other", "InvalidInstanceId.NotFound"),
        ("DetachDisk", "MissingParameter.DiskId"),
        ("AttachDisk DiskId=data Device=/dev/xvdb", "InvalidParameter.Device"),
    ]) func refusals(request: String, code: String) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data")
        try fixture.refused(request, code)
    }

    @Test(arguments: [
        (KeyError.Code.locked, "Rejected.KeystoreLocked"),
        (.unknownKey, "Forbidden.KeyNotFound"),
        (.refused, "InvalidParameter.KMSKeyId.KMSUnauthorized"),
    ]) func whyAKeyIsNotToBeHadIsTold(code: KeyError.Code, text: String) throws {
        let fixture = try Fixture()
        _ = try fixture.disk("data", encrypted: true)
        fixture.keys.fail(with: KeyError(code, "why it is so"))
        let refusal = try fixture.refused("AttachDisk DiskId=data", text)
        #expect(refusal.message.contains("why it is so"))
        fixture.keys.fail(with: nil)
        try fixture.done("AttachDisk DiskId=data")
    }
}
