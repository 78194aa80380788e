import DiskEngine
import DiskFormat
import KeyManagement
import Testing

@testable import ControlPlane

/// Automatic snapshots, by a clock of the test's own.
@Suite struct SnapshotPolicyTests {
    private static let hour: Int64 = 3600
    private static let day: Int64 = 86_400
    /// 2026-11-23T10:30:00Z, a Monday.
    private static let begin: Int64 = 1_795_429_800

    private func fixture(_ policy: String = "timePoints=12 repeatWeekdays=1,2,3,4,5,6,7") throws
        -> Fixture
    {
        let fixture = try Fixture(time: Self.begin)
        _ = try fixture.disk("data")
        try fixture.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=daily \(policy)")
        try fixture.done("ApplyAutoSnapshotPolicy autoSnapshotPolicyId=daily diskIds=data")
        return fixture
    }

    private func run(_ fixture: Fixture, at time: Int64) throws -> [String] {
        fixture.clock.set(Timestamp(seconds: time))
        #expect(fixture.plane.runSnapshotPolicies().isEmpty)
        return try fixture.snapshotNames("")
    }

    @Test func aSnapshotIsTakenAtItsTimePointOnce() throws {
        let fixture = try fixture()
        #expect(try run(fixture, at: Self.begin).isEmpty)
        #expect(try run(fixture, at: Self.begin + Self.hour).isEmpty)
        let taken = ["auto-data-20261123T1200Z"]
        #expect(try run(fixture, at: Self.begin + 2 * Self.hour) == taken)
        #expect(try run(fixture, at: Self.begin + 3 * Self.hour) == taken)
        #expect(try run(fixture, at: Self.begin + 26 * Self.hour).count == 2)
    }

    @Test func whatWasMissedIsCaughtUpOnce() throws {
        let fixture = try fixture()
        let next = try fixture.reopened()
        #expect(
            try run(next, at: Self.begin + 5 * Self.day + 4 * Self.hour)
                == ["auto-data-20261128T1200Z"])
        let last = try next.reopened()
        #expect(try run(last, at: Self.begin + 5 * Self.day + 5 * Self.hour).count == 1)
    }

    @Test func weekdaysCount() throws {
        let fixture = try fixture("timePoints=0,12 repeatWeekdays=[\"3\"]")
        #expect(try run(fixture, at: Self.begin + Self.day).isEmpty)
        #expect(
            try run(fixture, at: Self.begin + 2 * Self.day + 2 * Self.hour)
                == ["auto-data-20261125T1200Z"])
    }

    @Test func expiredOnesGoAndOthersStay() throws {
        let fixture = try fixture("timePoints=12 repeatWeekdays=1 retentionDays=2")
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=mine")
        #expect(try run(fixture, at: Self.begin + 2 * Self.hour).count == 2)
        let id = try fixture.plane.snapshot("auto-data-20261123T1200Z").summary.id
        _ = fixture.mount.state.withLock { $0.openSnapshots.insert(id) }
        #expect(try run(fixture, at: Self.begin + 3 * Self.day).count == 2, "it is being read")
        fixture.mount.state.withLock { $0.openSnapshots = [] }
        #expect(try run(fixture, at: Self.begin + 3 * Self.day) == ["mine"])
    }

    @Test func oneDiskThatFailsKeepsNoOtherFromItsSnapshot() throws {
        let fixture = try Fixture(time: Self.begin)
        _ = try fixture.disk("sealed", encrypted: true)
        _ = try fixture.disk("plain")
        try fixture.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=p timePoints=12 repeatWeekdays=1")
        try fixture.done("ApplyAutoSnapshotPolicy autoSnapshotPolicyId=p diskIds=sealed,plain")
        fixture.keys.fail(with: KeyError(.unavailable, "the service is away"))
        fixture.clock.set(Timestamp(seconds: Self.begin + 2 * Self.hour))
        let failures = fixture.plane.runSnapshotPolicies()
        #expect(failures.count == 1 && failures[0].contains("'sealed'"), "\(failures)")
        #expect(failures[0].contains("the service is away"))
        #expect(try fixture.snapshotNames("").count == 1)
    }

    @Test func theyGoWithTheDiskIfThatWasSaid() throws {
        let fixture = try fixture()
        _ = try run(fixture, at: Self.begin + 2 * Self.hour)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=mine")
        try fixture.done("ModifyDiskAttribute DiskId=data DeleteAutoSnapshot=true")
        try fixture.done("DeleteDisk DiskId=data")
        #expect(try fixture.snapshotNames("") == ["mine"])
    }

    @Test func aDiskHasOnePolicy() throws {
        let fixture = try fixture()
        let id = try fixture.describe("data")["AutoSnapshotPolicyId"]?.string
        #expect(id?.hasPrefix("sp-") == true)
        try fixture.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=other timePoints=1 repeatWeekdays=1")
        try fixture.done("ApplyAutoSnapshotPolicy autoSnapshotPolicyId=other diskIds=data")
        #expect(try fixture.describe("data")["AutoSnapshotPolicyId"]?.string != id)
        _ = try fixture.disk("gone")
        try fixture.done("ApplyAutoSnapshotPolicy autoSnapshotPolicyId=other diskIds=gone,data")
        try fixture.done("DeleteDisk DiskId=gone")
        let other = try fixture.done("DescribeAutoSnapshotPolicyEx AutoSnapshotPolicyId=other")
        let found = other["AutoSnapshotPolicies"]?["AutoSnapshotPolicy"]?.array?.first
        #expect(found?["DiskNums"]?.unsigned == 1)
        try fixture.done("CancelAutoSnapshotPolicy diskIds=data")
        #expect(try fixture.describe("data")["AutoSnapshotPolicyId"]?.string == "")
        try fixture.done("DeleteAutoSnapshotPolicy autoSnapshotPolicyId=other")
        try fixture.done(
            "ModifyAutoSnapshotPolicyEx autoSnapshotPolicyId=daily timePoints=3 retentionDays=-1")
        let all = try fixture.done("DescribeAutoSnapshotPolicyEx")
        let one = all["AutoSnapshotPolicies"]?["AutoSnapshotPolicy"]?.array?.first
        #expect(one?["TimePoints"]?.array == [.integer(3)])
    }

    @Test(arguments: [
        ("timePoints=24 repeatWeekdays=1", "InvalidParameter.timePoints"),
        ("timePoints=1 repeatWeekdays=0", "InvalidParameter.repeatWeekdays"),
        ("timePoints=1 repeatWeekdays=1 retentionDays=0", "InvalidParameter.retentionDays"),
        ("timePoints=1", "MissingParameter.repeatWeekdays"),
        ("repeatWeekdays=1", "MissingParameter.timePoints"),
    ]) func whatIsRefused(parameters: String, code: String) throws {
        try Fixture().refused("CreateAutoSnapshotPolicy \(parameters)", code)
    }
}
