import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Lists are in the order of creation, also of what is made within one second of the clock, and
/// after the store was closed.
@Suite struct CreationOrderTests {
    @Test(arguments: [false, true]) func withinASecondTheListsAreInOrder(encrypted: Bool) throws {
        let files = MemoryStore()
        let keys = InMemoryKMS()
        let clock = ManualClock(Timestamp(seconds: 1_700_000_000))
        func open() throws -> Store {
            try Store(
                opening: files, keys: keys, holder: "t", environment: Environment(clock: clock),
                limits: Harness.smallLimits)
        }
        try Store.create(in: files, account: "a", region: "r")
        var store = try open()
        var disks = try (0..<8).map { _ in
            try store.createDisk(encrypted: encrypted, size: 1 << 20, attributes: [:]).id
        }
        let snapshots = try (0..<8).map {
            try store.createSnapshot(of: disks[$0], attributes: [:]).id
        }
        #expect(try store.disks().map(\.id) == disks)
        try store.close()

        store = try open()
        // What was made before the store was closed, and what goes, is counted.
        try store.deleteDisk(disks.remove(at: 3))
        disks.append(try store.createDisk(from: snapshots[0], size: nil, attributes: [:]).id)
        #expect(try store.disks().map(\.id) == disks)
        #expect(try store.snapshots().map(\.id) == snapshots)
        try store.close()
    }

    /// A record that was made up does not stop anything.
    @Test func theHighestOrderDoesNotTrap() {
        let last = CreationOrder(created: 7, order: .max, id: "a")
        var listing = Listing<Int, Entry>()
        listing[1] = Entry(place: last)
        #expect(listing.nextOrder(at: 7) == .max)
        #expect(listing.nextOrder(at: 8) == nil)
        #expect(last < CreationOrder(created: 8, order: nil, id: "a"))
    }

    private struct Entry: Listed {
        let lineage = LineageID(bytes: Array(repeating: 1, count: 16))
        let owner: DiskID? = nil
        let place: CreationOrder
        let attributes: [String: String] = [:]
    }
}
