import KeyManagement
import Testing

@testable import ControlPlane

/// Rule 6: the CMK can be queried; it is not chosen, changed or deleted.
@Suite struct ServiceKeyTests {
    @Test(arguments: [
        "CreateKey Origin=Aliyun_KMS", "ScheduleKeyDeletion KeyId=alias/acs/ecs",
        "ScheduleKeyDeletion KeyId=x PendingWindowInDays=7", "CancelKeyDeletion KeyId=x",
        "DisableKey KeyId=x", "EnableKey KeyId=x", "UpdateAlias KeyId=x AliasName=alias/mine",
        "DeleteAlias AliasName=alias/acs/ecs",
    ]) func whatChangesTheKeyIsRefused(request: String) throws {
        for isActivated in [true, false] {
            let refusal = try Fixture(activated: isActivated).refused(
                request, "Forbidden.ServiceKey")
            #expect(refusal.kind == .denied && !refusal.recommend.isEmpty)
        }
    }

    @Test func theOneKeyIsListed() throws {
        let fixture = try Fixture()
        #expect(try fixture.done("ListKeys")["TotalCount"]?.unsigned == 0)
        _ = try fixture.disk("data", encrypted: true)
        let page = try fixture.done("ListKeys")
        let listed = page["Keys"]?["Key"]?.array ?? []
        #expect(listed.count == 1 && page["TotalCount"]?.unsigned == 1)
        #expect(listed.first?["KeyId"]?.string == (try fixture.keys.keyID()))
        let next = try fixture.done("ListKeys PageNumber=2 PageSize=5")
        #expect(next["Keys"]?["Key"]?.array?.isEmpty == true)
        #expect(next["TotalCount"]?.unsigned == 1)
        try fixture.refused("ListKeys PageSize=101", "InvalidParameter.PageSize")
    }

    @Test func aDisksKeyIsNotChosen() throws {
        let fixture = try Fixture()
        let encrypted = "CreateDisk Size=1 Encrypted=true"
        try fixture.refused("\(encrypted) KMSKeyId=mine", "Forbidden.ServiceKey")
        try fixture.done("\(encrypted) DiskName=a KMSKeyId=alias/acs/ecs")
        let keyID = try #require(try fixture.keys.keyID())
        try fixture.done("\(encrypted) KMSKeyId=\(keyID)")
        try fixture.refused("\(encrypted) KMSKeyId=mine", "Forbidden.ServiceKey")
        try fixture.refused("CreateDisk Size=1 KMSKeyId=\(keyID)", "InvalidParameter.KMSKeyId")
        try fixture.done("AttachDisk DiskId=a")
        try fixture.done("CreateSnapshot DiskId=a SnapshotName=s")
        try fixture.done("CreateDisk SnapshotId=s KMSKeyId=\(keyID)")
        try fixture.refused("CreateDisk SnapshotId=s KMSKeyId=x", "Forbidden.ServiceKey")
        let instance = "CreateInstance DataDisk.1.Size=1 DataDisk.1.Encrypted=true"
        try fixture.refused("\(instance) DataDisk.1.KMSKeyId=mine", "Forbidden.ServiceKey")
        try fixture.done("\(instance) DataDisk.1.KMSKeyId=\(keyID)")
    }

    @Test func theLastOfALineageTakesItsKeyAlong() throws {
        let fixture = try Fixture()
        for name in ["a", "b"] { _ = try fixture.disk(name, encrypted: true) }
        _ = try fixture.disk("plain")
        try fixture.done("AttachDisk DiskId=a")
        try fixture.done("CreateSnapshot DiskId=a SnapshotName=s")
        try fixture.done("DetachDisk DiskId=a")
        #expect(try fixture.done("DeleteDisk DiskId=a").members.isEmpty)
        #expect(try fixture.done("DeleteDisk DiskId=plain").members.isEmpty)
        for request in ["DeleteSnapshot SnapshotId=s", "DeleteDisk DiskId=b"] {
            let reply = try fixture.done(request)
            #expect(reply["DataKeyDestroyed"] == true)
            #expect(reply["Note"]?.string?.contains("backups") == true)
        }
    }

    @Test func dataKeysAreWrappedAnew() throws {
        let fixture = try Fixture()
        for name in ["a", "b"] { _ = try fixture.disk(name, encrypted: true) }
        _ = try fixture.disk("plain")
        try fixture.done("AttachDisk DiskId=a")
        let reply = try fixture.done("RewrapDataKeys")
        #expect(reply["RewrappedCount"]?.unsigned == 0 && reply["CurrentCount"]?.unsigned == 2)
        try fixture.keys.rotate()
        let next = try fixture.done("RewrapDataKeys")
        #expect(next["RewrappedCount"]?.unsigned == 2 && next["FailedCount"]?.unsigned == 0)
        let key = try fixture.done("DescribeKey")["KeyMetadata"]
        #expect(key?["KeyVersion"]?.unsigned == 2)
        fixture.keys.fail(with: KeyError(.unavailable, "gone"))
        try fixture.keys.rotate()
        try fixture.refused("RewrapDataKeys", "ServiceUnavailable.KeyService")
    }
}
