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
}
