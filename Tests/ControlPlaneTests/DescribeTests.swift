import Testing

@testable import ControlPlane

@Suite struct DescribeTests {
    @Test func repliesBeginWithTheirOwnId() throws {
        let fixture = try Fixture()
        let replies = [
            fixture.plane.perform("DescribeDisks"), fixture.plane.perform("Nothing"),
        ]
        for reply in replies {
            #expect(reply.json.hasPrefix("{\"RequestId\":\""))
        }
        let ids = try replies.map { try JSON(parsing: $0.json.utf8)["RequestId"]?.string }
        #expect(ids[0] != ids[1])
        let shape = #/[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}/#
        #expect(try #require(ids[0]).wholeMatch(of: shape) != nil)
    }

    static let filters: [(String, Set<String>)] = [
        ("", ["alpha", "beta", "gamma"]),
        ("Encrypted=true", ["beta"]),
        ("Encrypted=false", ["alpha", "gamma"]),
        ("Status=In_use", ["gamma"]),
        ("Status=Available", ["alpha", "beta"]),
        ("Status=All", ["alpha", "beta", "gamma"]),
        ("DiskName=alpha", ["alpha"]),
        ("DiskName=*a*", ["alpha", "beta", "gamma"]),
        ("DiskName=*mma", ["gamma"]),
        ("DiskName=be*", ["beta"]),
        ("DiskName=alp", []),
        ("DiskIds=alpha,beta,unknown", ["alpha", "beta"]),
        (#"DiskIds='["beta"]'"#, ["beta"]),
        ("Category=cloud_ssd", ["alpha"]),
        ("PageSize=2", ["alpha", "beta"]),
        ("PageSize=2 PageNumber=2", ["gamma"]),
        ("PageSize=2 PageNumber=1000000", []),
        ("RegionId=region DiskId=beta", ["beta"]),
    ]

    @Test(arguments: filters) func disksAreFiltered(filter: String, names: Set<String>) throws {
        let fixture = try Fixture()
        try fixture.done("CreateDisk DiskName=alpha Size=20 DiskCategory=cloud_ssd")
        _ = try fixture.disk("beta", encrypted: true)
        _ = try fixture.disk("gamma")
        try fixture.done("AttachDisk DiskId=gamma")
        let found = try fixture.diskNames(filter)
        // Disks made in one second are ordered by their random ids: pages are checked by count.
        if filter.hasPrefix("PageSize") {
            #expect(found.count == names.count)
        } else {
            #expect(Set(found) == names)
        }
    }

    @Test(arguments: [
        ("DescribeDisks DiskId=nope", "InvalidDiskId.NotFound"),
        ("DescribeDisks Status=Broken", "InvalidParameter.Status"),
        ("DescribeDisks PageSize=0", "InvalidParameter.PageSize"),
        ("DescribeDisks PageSize=101", "InvalidParameter.PageSize"),
        ("DescribeDisks PageNumber=x", "InvalidParameter.PageNumber"),
        ("DescribeDisks DiskIds=[1]", "InvalidParameter.DiskIds"),
        ("DescribeDisks DiskIds=[", "InvalidParameter.DiskIds"),
        ("DescribeDisks SnapshotId=nope", "InvalidSnapshotId.NotFound"),
        ("DescribeSnapshots SnapshotId=nope", "InvalidSnapshotId.NotFound"),
        ("DescribeSnapshots DiskId=nope", "InvalidDiskId.NotFound"),
        ("DescribeSnapshots Encrypted=1", "InvalidParameter.Encrypted"),
    ]) func filtersAreChecked(request: String, code: String) throws {
        try Fixture().refused(request, code)
    }

    @Test func snapshotsAreFiltered() throws {
        let fixture = try Fixture()
        _ = try fixture.disk("plain")
        _ = try fixture.disk("sealed", encrypted: true)
        try fixture.done("CreateSnapshot DiskId=plain SnapshotName=p1")
        try fixture.done("CreateSnapshot DiskId=sealed SnapshotName=s1")
        try fixture.done("CreateSnapshot DiskId=sealed SnapshotName=s2")
        #expect(Set(try fixture.snapshotNames("")) == ["p1", "s1", "s2"])
        #expect(try fixture.snapshotNames("DiskId=plain") == ["p1"])
        #expect(Set(try fixture.snapshotNames("Encrypted=true")) == ["s1", "s2"])
        #expect(Set(try fixture.snapshotNames("SnapshotName=s*")) == ["s1", "s2"])
        #expect(Set(try fixture.snapshotNames("SnapshotIds=p1,s2")) == ["p1", "s2"])
    }

    @Test func theKeyIsDescribed() throws {
        let fixture = try Fixture()
        try fixture.refused("DescribeKey", "Forbidden.KeyNotFound")
        _ = try fixture.disk("data", encrypted: true)
        let fields = try fixture.done("DescribeKey")
        let keyID = try #require(try fixture.keys.keyID())
        #expect(fields["KeyMetadata"]?["KeyId"]?.string == keyID)
        #expect(fields["KeyMetadata"]?["KeyState"]?.string == "Enabled")
        #expect(fields["Usage"]?["CreateDisk"]?.unsigned == 1)
        try fixture.done("DescribeKey KeyId=alias/acs/ecs")
        try fixture.done("DescribeKey KeyId=\(keyID)")
        try fixture.refused("DescribeKey KeyId=another", "Forbidden.KeyNotFound")
        try Fixture(activated: false).refused(
            "DescribeKey", "InvalidParameter.Encrypted.KmsNotEnabled")
    }

    @Test func theStoreIsDescribed() throws {
        let fixture = try Fixture()
        let store = try #require(try fixture.done("DescribeStore")["Store"])
        #expect(store["Path"]?.string == "/a/store")
        #expect(store["Account"]?.string == "account")
        #expect(store["RegionId"]?.string == "region")
        #expect(store["Mounted"]?.bool == true)
        #expect(try #require(store["Capacity"]?["TotalBytes"]?.unsigned) > 0)
        guard case .object = store["Engine"] else {
            Issue.record("the engine's status is missing")
            return
        }
    }

    @Test func hostileNamesInRecordsAreNotShown() throws {
        let fixture = try Fixture()
        let evil = try fixture.store.createDisk(
            encrypted: false, size: 4096, attributes: ["DiskName": "../../etc/passwd"])
        let shadow = try fixture.store.createDisk(
            encrypted: false, size: 4096, attributes: ["DiskName": evil.id.text])
        #expect(Set(try fixture.diskNames("")) == [evil.id.text, shadow.id.text])
        #expect(try fixture.plane.disk(evil.id.text).summary.id == evil.id)
        try fixture.refused("DeleteDisk DiskId=../../etc/passwd", "InvalidDiskId.NotFound")
    }
}
