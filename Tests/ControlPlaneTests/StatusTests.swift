import ChunkStore
import DiskEngine
import DiskFormat
import Synchronization
import Testing

@testable import ControlPlane

/// The states of a disk, those in between included: seen from the store's calls of each action.
@Suite struct StatusTests {
    /// A fixture whose disk's state is noted at every call that an action makes of the store.
    private final class Watched: @unchecked Sendable {
        // @unchecked: set once, before any action is observed.
        var plane: ControlPlane?
        let seen = Mutex<Set<String>>([])
        private let looking = Atomic<Bool>(false)

        func look() {
            // What is described here calls the store, too.
            guard let plane,
                looking.compareExchange(expected: false, desired: true, ordering: .relaxed)
                    .exchanged
            else { return }
            defer { looking.store(false, ordering: .relaxed) }
            for disk in plane.store.diskAttributes().compactMap({ try? plane.store.disk($0.id) }) {
                let status = plane.status(of: disk).rawValue
                seen.withLock { _ = $0.insert(status) }
            }
        }

        func take() -> Set<String> {
            seen.withLock { seen in
                defer { seen = [] }
                return seen
            }
        }
    }

    private func fixture() throws -> (Fixture, Watched) {
        let watched = Watched()
        let fixture = try Fixture(observer: { _, _ in watched.look() })
        watched.plane = fixture.plane
        return (fixture, watched)
    }

    @Test func everyTransition() throws {
        let (fixture, watched) = try fixture()
        _ = try fixture.disk("data", encrypted: true)
        try fixture.done("CreateSnapshot DiskId=data SnapshotName=s")
        #expect(try fixture.describe("data")["Status"]?.string == "Available")
        let during: [(String, Set<String>, String)] = [
            ("AttachDisk DiskId=data", ["Attaching"], "In_use"),
            ("ResetDisk DiskId=data SnapshotId=s", ["ReIniting"], "In_use"),
            ("DetachDisk DiskId=data", ["Detaching"], "Available"),
            ("ResetDisk DiskId=data SnapshotId=s", ["ReIniting"], "Available"),
            ("DeleteSnapshot SnapshotId=s", [], "Available"),
            ("ReInitDisk DiskId=data", ["ReIniting"], "Available"),
            ("AttachDisk DiskId=data", ["Attaching"], "In_use"),
            ("ReInitDisk DiskId=data", ["ReIniting"], "In_use"),
        ]
        for (request, states, after) in during {
            _ = watched.take()
            try fixture.done(request)
            let seen = watched.take()
            #expect(seen.isSuperset(of: states), "\(request): \(seen)")
            #expect(try fixture.describe("data")["Status"]?.string == after, "\(request)")
        }
        try fixture.store.close()
    }

    @Test func disksOfAnInstanceThatIsBeingMade() throws {
        let (fixture, watched) = try fixture()
        try fixture.done("CreateInstance DataDisk.1.Size=1MiB DataDisk.2.Size=1MiB")
        #expect(watched.take().contains("Creating"))
        #expect(try fixture.done("DescribeDisks Status=In_use")["TotalCount"]?.unsigned == 2)
        try fixture.store.close()
    }

    /// What fails is in the state it was in.
    @Test func aFailureEndsTheStateInBetween() throws {
        let (fixture, _) = try fixture()
        _ = try fixture.disk("data", encrypted: true)
        fixture.keys.fail(with: .init(.unavailable, "away"))
        try fixture.refused("AttachDisk DiskId=data", "ServiceUnavailable.KeyService")
        #expect(try fixture.describe("data")["Status"]?.string == "Available")
        fixture.keys.fail(with: nil)
        try fixture.done("AttachDisk DiskId=data")
        let id = try fixture.plane.disk("data").summary.id
        _ = fixture.mount.state.withLock { $0.openDisks.insert(id) }
        try fixture.refused("DetachDisk DiskId=data", "IncorrectDiskStatus.Open")
        try fixture.refused("ReInitDisk DiskId=data", "IncorrectDiskStatus.Open")
        #expect(try fixture.describe("data")["Status"]?.string == "In_use")
    }
}
