import ChunkStore
import CryptoPrimitives
import DiskEngine
import DiskFormat
import KeyManagement
import Testing

@testable import ControlPlane

/// Control planes of several hosts over one store.
@Suite struct SharedPlaneTests {
    /// A host with a mount of its own.
    private struct Host {
        let store: Store
        let plane: ControlPlane
        let mount = TestMount()

        init(_ medium: SharedMemoryStore.Medium, _ keys: TestKeys, clock: ManualClock) throws {
            store = try Store(
                opening: SharedMemoryStore(medium), keys: keys, holder: "a host",
                environment: Environment(clock: clock))
            plane = ControlPlane(store: store, keys: keys, hooks: mount)
        }

        @discardableResult
        func done(
            _ request: String, _ location: SourceLocation = #_sourceLocation
        ) -> JSONObject {
            let reply = plane.perform(request)
            #expect(reply.isSuccess, "\(reply.json)", sourceLocation: location)
            return reply.fields
        }
    }

    /// 2026-11-23T10:30:00Z, a Monday.
    private let clock = ManualClock(Timestamp(seconds: 1_795_429_800))
    private let first: Host
    private let second: Host

    init() throws {
        let medium = SharedMemoryStore.Medium()
        _ = try Store.create(in: medium.files, account: "account", region: "region")
        let keys = TestKeys(isActivated: true)
        first = try Host(medium, keys, clock: clock)
        second = try Host(medium, keys, clock: clock)
    }

    @Test func whatAnotherHostHasMadeAMomentAgoIsFound() throws {
        first.done("CreateDisk DiskName=data Size=1MiB")
        let shown = second.done("DescribeDisks DiskId=data")
        #expect(shown["Disks"]?["Disk"]?.array?.count == 1)
        first.done("AttachDisk DiskId=data")
        let refusal = try #require(second.plane.perform("AttachDisk DiskId=data").refusal)
        #expect(refusal.code == ErrorCode.heldElsewhere.rawValue)
        #expect(refusal.recommend.contains("Fence=true"))
        #expect(second.plane.refresh() == nil)
        let held = second.done("DescribeDisks DiskId=data")["Disks"]?["Disk"]?.array?.first
        #expect(held?["HeldElsewhere"]?.string == "a host")
        second.done("AttachDisk DiskId=data Fence=true")
        #expect(second.plane.perform("CreateDisk DiskName=data Size=1MiB").refusal != nil)
    }

    @Test func accountsAreChangedByBoth() throws {
        first.done("CreateInstance InstanceName=one DataDisk.1.Size=1MiB")
        second.done("CreateInstance InstanceName=two DataDisk.1.Size=1MiB")
        first.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=p timePoints=1 repeatWeekdays=1")
        #expect(first.plane.refresh() == nil && second.plane.refresh() == nil)
        for host in [first, second] {
            for name in ["one", "two"] { host.done("DescribeInstances InstanceId=\(name)") }
            let policies = host.done("DescribeAutoSnapshotPolicyEx")
            #expect(policies["TotalCount"]?.unsigned == 1)
        }
    }

    /// Each host sees to the disks that it has, one of them to those that nobody has.
    @Test func eachHostTakesTheSnapshotsOfItsDisks() throws {
        for disk in ["a", "b", "c"] { first.done("CreateDisk DiskName=\(disk) Size=1MiB") }
        first.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=p timePoints=12"
                + " repeatWeekdays=1,2,3,4,5,6,7")
        first.done("ApplyAutoSnapshotPolicy autoSnapshotPolicyId=p diskIds=a,b,c")
        #expect(second.plane.refresh() == nil)
        first.done("AttachDisk DiskId=a")
        second.done("AttachDisk DiskId=b")
        for day in 1...2 {
            clock.set(Timestamp(seconds: 1_795_429_800 + Int64(day) * 86_400))
            for host in day == 1 ? [first, second] : [second, first] {
                #expect(host.plane.runSnapshotPolicies().isEmpty)
                #expect(host.plane.runSnapshotPolicies().isEmpty)
            }
            for disk in ["a", "b", "c"] {
                #expect(first.plane.refresh() == nil)
                let found = first.done("DescribeSnapshots DiskId=\(disk)")
                #expect(found["TotalCount"]?.unsigned == UInt64(day), "\(disk) on day \(day)")
            }
        }
    }
}
