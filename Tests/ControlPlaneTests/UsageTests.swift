import DiskEngine
import DiskFormat
import Testing

@testable import ControlPlane

@Suite struct UsageTests {
    /// Two snapshots of a disk, with some blocks written and one discarded in between.
    private func fixture() throws -> Fixture {
        let fixture = try Fixture()
        let id = try #require(DiskID(fixture.disk("data", encrypted: true)))
        try fixture.done("AttachDisk DiskId=data")
        let disk = try #require(fixture.store.attached(id))
        func put(_ block: Int, _ count: Int) throws {
            try [UInt8](repeating: UInt8(block + 1), count: count * 4096).withUnsafeBytes {
                try disk.write($0, at: UInt64(block * 4096))
            }
        }
        try put(0, 20)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=one")
        try put(3, 2)
        try put(100, 1)
        try disk.discard(at: 8 * 4096, length: 4096)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=two")
        return fixture
    }

    private func changes(_ reply: JSONObject) throws -> [String] {
        try #require(reply["Changes"]?["Change"]?.array).map {
            "\($0["Offset"]?.unsigned ?? 0)+\($0["Length"]?.unsigned ?? 0)"
                + " \($0["Kind"]?.string ?? "")"
        }
    }

    @Test func changesBetweenTwo() throws {
        let fixture = try fixture()
        let reply = try fixture.done(
            "DescribeSnapshotChanges SnapshotId=two BaseSnapshotId=one")
        #expect(
            try changes(reply) == ["12288+8192 data", "32768+4096 zero", "409600+4096 data"])
        #expect(reply["NextOffset"] == nil)
        #expect(reply["SizeBytes"]?.unsigned == 1 << 20)
        // The other way round: what was there before.
        let back = try fixture.done("DescribeSnapshotChanges SnapshotId=one BaseSnapshotId=two")
        #expect(
            try changes(back) == ["12288+8192 data", "32768+4096 data", "409600+4096 zero"])
        let all = try fixture.done("DescribeSnapshotChanges SnapshotId=one")
        #expect(try changes(all) == ["0+81920 data"])
    }

    @Test func changesComeInPages() throws {
        let fixture = try fixture()
        let rest = try fixture.done(
            "DescribeSnapshotChanges SnapshotId=two BaseSnapshotId=one StartOffset=32768")
        #expect(try changes(rest) == ["32768+4096 zero", "409600+4096 data"])
        try fixture.refused(
            "DescribeSnapshotChanges SnapshotId=two MaxResults=0", "InvalidParameter.MaxResults")
        try fixture.refused(
            "DescribeSnapshotChanges SnapshotId=two StartOffset=-1",
            "InvalidParameter.StartOffset")
        try fixture.refused("DescribeSnapshotChanges", "MissingParameter.SnapshotId")
    }

    @Test func lineagesAndKeys() throws {
        let fixture = try fixture()
        _ = try fixture.disk("other")
        try fixture.done("CreateSnapshot DiskId=other SnapshotName=three")
        let refusal = try #require(
            fixture.plane.perform("DescribeSnapshotChanges SnapshotId=three BaseSnapshotId=one")
                .refusal)
        #expect(refusal.message.contains("different lineages"), "\(refusal)")
        try fixture.done("DetachDisk DiskId=data")
        let reply = fixture.plane.perform("DescribeSnapshotChanges SnapshotId=two")
        #expect(reply.refusal != nil && reply.errno != 0)
    }

    @Test func whatSnapshotsTake() throws {
        let fixture = try fixture()
        // The disk's last two checkpoints hold what they reach.
        let disk = try #require(fixture.store.attachedDisks().first)
        try [UInt8](repeating: 9, count: 4096).withUnsafeBytes { try disk.write($0, at: 819_200) }
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=three")
        try fixture.done("DeleteSnapshot SnapshotId=three")
        let all = try fixture.done("DescribeSnapshotsUsage")
        #expect(all["SnapshotCount"]?.unsigned == 2)
        #expect(all["SnapshotSize"]?.unsigned == 40 * 4096)
        let one = try fixture.done("DescribeSnapshotsUsage SnapshotId=one")
        // Three blocks that were overwritten or discarded, and the map's four pages.
        #expect(one["ExclusiveBytes"]?.unsigned == 7 * 4096)
    }
}
