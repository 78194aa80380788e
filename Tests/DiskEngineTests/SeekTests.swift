import ChunkStore
import DiskFormat
import KeyManagement
import Scheduling
import Testing

@testable import DiskEngine

/// Searches for data and holes over maps that do not fit in memory.
@Suite struct SeekTests {
    /// More leaves than the 1024 pages of `smallLimits`.
    private static let leaves: UInt64 = 1500
    private static let blockSize = UInt64(Format.blockSize)
    private static let size = (leaves + 2) * 512 * blockSize

    private let files = FaultyStore(MemoryStore())
    private let store: Store

    init() throws {
        try Store.create(in: files, account: "a", region: "r")
        store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
    }

    /// A disk whose map says that its first 1500 leaves are data, none of it in memory. No data is
    /// there: a search reads the map alone.
    private func mappedDisk() throws -> Disk {
        let id = try store.createDisk(encrypted: true, size: Self.size, attributes: [:]).id
        let disk = try store.attach(id)
        // A number that the session owns and does not come to use.
        let chunk = ChunkNumber(lane: 1, sequence: Lineage.sequencesPerGrant - 1)
        try disk.monitor.withLock {
            for leaf in 0..<Self.leaves {
                let blocks = leaf * 512..<(leaf + 1) * 512
                try disk.reader.planned { $0.pinLeaves(of: blocks) }
                for block in blocks {
                    disk.map.store(block..<block + 1, at: .init(chunk: chunk, slot: 0))
                }
                disk.map.unpin(blocks)
            }
        }
        try store.detach(id)
        return try store.attach(id)
    }

    /// A page is read by two calls, one for its body and one for its entry. More of them than there
    /// are pages fail, so that a search that never ends fails too.
    private func linear(_ search: () throws -> UInt64) throws -> UInt64 {
        let most = Int(2 * (Self.leaves + 64))
        files.arm(Fault([.read], call: most, isLasting: true))
        let before = files.count(of: [.read])
        let found = try search()
        #expect(files.count(of: [.read]) - before < most)
        files.disarm()
        return found
    }

    @Test func aHoleBehindMoreDataThanMapMemoryHoldsIsFound() throws {
        let disk = try mappedDisk()
        let end = Self.leaves * 512 * Self.blockSize
        let found = try linear { try disk.nextHole(from: 5) }
        #expect(found == end)
        #expect(try disk.nextData(from: end) == nil)
        #expect(try disk.nextData(from: end - 1) == end - 1)
        #expect(try disk.nextHole(from: end + 7) == end + 7)
        try store.close()
    }

    @Test func soItIsInASnapshot() throws {
        let disk = try mappedDisk()
        let snapshot = try store.createSnapshot(of: disk.id, attributes: [:])
        let reader = try store.openSnapshot(snapshot.id)
        let end = Self.leaves * 512 * Self.blockSize
        let found = try linear { try reader.nextHole(from: 0) }
        #expect(found == end)
        reader.close()
        try store.close()
    }

    /// What nothing is stored below is passed as a whole: a few pages for 32 TiB.
    @Test func emptySubtreesArePassedUnread() throws {
        let size = Format.maximumDiskSize
        let id = try store.createDisk(encrypted: true, size: size, attributes: [:]).id
        var disk = try store.attach(id)
        try disk.put([UInt8](repeating: 1, count: Format.blockSize), at: size - Self.blockSize)
        try store.detach(id)
        disk = try store.attach(id)
        let before = files.count(of: [.read])
        #expect(try disk.nextData(from: 0) == size - Self.blockSize)
        #expect(files.count(of: [.read]) - before <= 8)
        try store.close()
    }

    /// Others have the disk's lock while a search is under way over pages in memory.
    @Test func aSearchLetsOthersIn() throws {
        let disk = try mappedDisk()
        let monitor = CountingMonitor()
        let tree = MapTree(
            root: disk.map.rootAddress, storedBlocks: 0,
            memory: MapMemory(limitBytes: 64 << 20, threads: SystemThreads()))
        let reader = MapReader(tree: tree, monitor: monitor, lineage: disk.lineage)
        func search() throws {
            _ = try monitor.withLock { try reader.seek(toData: false, from: 0, size: Self.size) }
        }
        try search()
        monitor.releases = 0
        try search()
        #expect(monitor.releases >= Int(Self.leaves))
        try store.close()
    }

    // @unchecked: used by one thread.
    private final class CountingMonitor: Monitor, @unchecked Sendable {
        var releases = 0
        override func unlock() {
            releases += 1
            super.unlock()
        }
    }
}
