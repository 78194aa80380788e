import DiskEngine
import DiskFormat
import Glibc
import Scheduling
import Synchronization
import Testing

@testable import ControlPlane

/// Many clients at once: every request has its answer, and what they leave makes sense.
@Suite struct ActionConcurrencyTests {
    /// Numbers that one seed makes (SplitMix64).
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }

        mutating func pick(_ words: String) -> Substring {
            // The lists are not empty.
            words.split(separator: " ").randomElement(using: &self)!
        }

        /// A request that may or may not make sense at this moment.
        mutating func request() -> String {
            let disk = pick("a b c d shared")
            let instance = pick("web site local")
            let snapshot = pick("p q r")
            let requests = [
                "CreateDisk DiskName=\(pick("a b c d")) Size=\(pick("64KiB 128KiB"))"
                    + " Encrypted=\(pick("true false"))",
                "CreateDisk DiskName=\(pick("a b c d")) SnapshotId=\(snapshot)",
                "CreateDisk DiskName=shared Size=20 DiskCategory=san_ssd",
                "DeleteDisk DiskId=\(disk)",
                "ModifyDiskAttribute DiskId=\(disk) DiskName=\(pick("a b c d shared"))",
                "ModifyDiskAttribute DiskId=\(disk) DeleteWithInstance=\(pick("true false"))",
                "AttachDisk DiskId=\(disk) InstanceId=\(instance)", "AttachDisk DiskId=\(disk)",
                "AttachDisk DiskId=shared InstanceId=\(instance)",
                "DetachDisk DiskId=\(disk)", "DetachDisk DiskId=\(disk) InstanceId=\(instance)",
                "ResizeDisk DiskId=\(disk) NewSize=\(pick("128KiB 192KiB"))",
                "CreateSnapshot DiskId=\(disk) SnapshotName=\(snapshot)",
                "DeleteSnapshot SnapshotId=\(snapshot)",
                "ResetDisk DiskId=\(disk) SnapshotId=\(snapshot)", "ReInitDisk DiskId=\(disk)",
                "CreateInstance InstanceName=\(pick("web site"))"
                    + " DataDisk.1.Size=64KiB DataDisk.1.DiskName=\(pick("a b c d"))"
                    + " DataDisk.1.DeleteWithInstance=\(pick("true false"))",
                "DeleteInstance InstanceId=\(instance)",
                "ModifyInstanceAttribute InstanceId=\(instance) InstanceName=\(pick("web site"))",
                "CreateImage ImageName=\(pick("gold blue")) SnapshotId=\(snapshot)",
                "DeleteImage ImageId=\(pick("gold blue"))",
                "CreateAutoSnapshotPolicy autoSnapshotPolicyName=\(pick("daily weekly"))"
                    + " timePoints=1 repeatWeekdays=1",
                "DeleteAutoSnapshotPolicy autoSnapshotPolicyId=\(pick("daily weekly"))",
                "ApplyAutoSnapshotPolicy autoSnapshotPolicyId=daily diskIds=\(disk)",
                "DescribeDisks", "DescribeInstances", "DescribeSnapshots", "DescribeImages",
            ]
            return requests.randomElement(using: &self)!  // the list is not empty
        }
    }

    /// Runs `work` on so many threads at once. False if they are not done after minutes.
    private func inParallel(
        _ count: Int, _ work: @escaping @Sendable (Int) -> Void
    ) throws -> Bool {
        let done = SharedCount()
        for number in 0..<count {
            _ = try SystemThreads().start(name: "client \(number)") {
                work(number)
                done.value.add(1, ordering: .releasing)
            }
        }
        for _ in 0..<120_000 {
            if done.value.load(ordering: .acquiring) == count { return true }
            usleep(2000)
        }
        return false
    }

    private final class SharedCount: Sendable {
        let value = Atomic(0)
    }

    /// What may come of a request that somebody else got in the way of.
    private static let usual: Set<ErrorKind> = [.notFound, .exists, .busy, .invalid, .denied]

    @Test(arguments: 1...8 as ClosedRange<UInt64>) func anyActionsAtOnce(seed: UInt64) throws {
        let fixture = try Fixture(time: Scene.time)
        for name in ["web", "site"] { try fixture.done("CreateInstance InstanceName=\(name)") }
        let odd = Mutex<[String]>([])
        let isDone = try inParallel(8) { client in
            var numbers = Numbers(state: seed << 8 | UInt64(client))
            for _ in 0..<150 {
                let request = numbers.request()
                let reply = fixture.plane.perform(request)
                guard let refusal = reply.refusal, !Self.usual.contains(refusal.kind) else {
                    continue
                }
                // A snapshot's key is needed where the lineage was detached meanwhile.
                if refusal.code == "InvalidOperation.KeyNotLoaded" { continue }
                odd.withLock { $0.append("\(request): \(reply.json)") }
            }
        }
        try #require(isDone, "somebody waits for ever")
        #expect(odd.withLock { $0 } == [])
        try checkInvariants(fixture)
        try checkInvariants(try reopen(fixture))
    }

    /// The next opening finds the record as it was.
    private func reopen(_ fixture: Fixture) throws -> Fixture {
        let before = try fixture.plane.register.record
        let next = try fixture.reopened()
        #expect(try next.plane.register.record == before)
        #expect(before.creating.isEmpty && before.instances.allSatisfy { $0.deleting == nil })
        return next
    }

    private func checkInvariants(_ fixture: Fixture) throws {
        let record = try fixture.plane.register.record
        let disks = try fixture.plane.disks().map(\.summary)
        for names in [
            disks.map(\.givenName), try fixture.plane.snapshots().map(\.summary.givenName),
            record.instances.map(\.name), record.images.map(\.name), record.policies.map(\.name),
        ] {
            let given = names.compactMap { $0 }
            #expect(Set(given).count == given.count, "\(given.sorted())")
        }
        for instance in fixture.plane.instances() {
            let devices = instance.disks.map(\.device)
            #expect(Set(devices).count == devices.count, "\(instance)")
            #expect(Set(instance.disks.map(\.disk)).count == devices.count, "\(instance)")
            for (_, disk) in instance.disks {
                #expect(
                    disks.contains { $0.id == disk }, "\(instance) has a disk that is not there")
            }
        }
        for disk in disks {
            let places = fixture.plane.register.places(of: disk.id)
            #expect(places.count <= disk.instanceLimit, "\(disk.id): \(places)")
            let isShown = fixture.plane.instances().flatMap(\.disks).count { $0.disk == disk.id }
            #expect(places.count == isShown, "\(disk.id): \(places)")
            #expect(!disk.isAttached || !places.isEmpty, "\(disk.id) is nowhere and attached")
        }
    }

    /// Whoever comes second to an ordinary disk is refused; shared storage takes both.
    @Test(arguments: ["cloud_ssd", "san_ssd"]) func twoInstancesWantOneDisk(
        category: String
    ) throws {
        for _ in 0..<30 {
            let fixture = try Fixture()
            try fixture.done(
                "CreateDisk DiskName=disk Size=20 DiskCategory=\(category) Encrypted=true")
            for number in 0..<4 { try fixture.done("CreateInstance InstanceName=i\(number)") }
            let replies = Mutex<[Reply]>([])
            let isDone = try inParallel(4) { number in
                let reply = fixture.plane.perform("AttachDisk DiskId=disk InstanceId=i\(number)")
                replies.withLock { $0.append(reply) }
            }
            try #require(isDone, "somebody waits for ever")
            let all = replies.withLock { $0 }
            let expected = category == "san_ssd" ? 4 : 1
            #expect(all.count { $0.isSuccess } == expected, "\(all.map(\.json))")
            #expect(all.allSatisfy { $0.isSuccess || $0.refusal?.code == "IncorrectDiskStatus" })
            let disk = try fixture.describe("disk")
            #expect(disk["Attachments"]?["Attachment"]?.array?.count == expected)
            #expect(disk["Open"]?.bool == true)
            try fixture.store.close()
        }
    }

    /// A disk that is detached while others attach it: whoever was told that it is attached finds
    /// it open, and nobody's place is left behind.
    @Test func attachingWhileItIsDetached() throws {
        for _ in 0..<30 {
            let fixture = try Fixture()
            try fixture.done("CreateDisk DiskName=disk Size=20 DiskCategory=san_ssd")
            for number in 0..<4 { try fixture.done("CreateInstance InstanceName=i\(number)") }
            let isDone = try inParallel(4) { number in
                for _ in 0..<5 {
                    for request in ["AttachDisk", "DetachDisk"] {
                        _ = fixture.plane.perform("\(request) DiskId=disk InstanceId=i\(number)")
                    }
                }
                _ = fixture.plane.perform("AttachDisk DiskId=disk InstanceId=i\(number)")
            }
            try #require(isDone, "somebody waits for ever")
            let disk = try fixture.describe("disk")
            let isPlaced = disk["Attachments"]?["Attachment"]?.array?.isEmpty == false
            #expect(disk["Open"]?.bool == isPlaced, "\(disk)")
            try checkInvariants(fixture)
            try fixture.store.close()
        }
    }
}
