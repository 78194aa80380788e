import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import Testing

@testable import DiskEngine

/// Parts of a store put back from a copy while others stay: each part is authentic, and together
/// they must give right data or damage, never another session's or disk's blocks.
@Suite struct TamperMixTests {
    /// A disk whose manifest was put back and whose last chunk is gone would be given the chunk's
    /// number again: a snapshot that names blocks in the old chunk must not show the new one's.
    @Test(arguments: [true, false])
    func aSnapshotNeverShowsALaterSession(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        let disk = try store.attach(rig.disk)
        let content = pattern(TamperRig.blocks * 4096, seed: 50)
        try disk.put(content, at: 0)
        let snapshot = try store.createSnapshot(of: rig.disk, attributes: [:]).id
        try store.close()

        // The newest lineage manifest stays; the disk's is an older one, and the newest session's
        // chunks are gone.
        let path = rig.name(StoreLayout.disk(rig.lineage, rig.disk))
        let oldManifest = try rig.older.readObject(path, limit: 1 << 20)
        let kept = Set(rig.older.names)
        for name in rig.files.names where name.hasSuffix(".chunk") && !kept.contains(name) {
            try rig.files.remove(rig.name(name))
        }
        try rig.files.replaceObject(path, with: oldManifest)

        let again = try rig.open(rig.files)
        if let disk = try? again.attach(rig.disk) {
            try disk.put(pattern(TamperRig.blocks * 4096, seed: 51), at: 0)
            try disk.flush()
            for block in try shown(by: snapshot, in: again, encrypted) {
                #expect(block.isDamaged || block.isEqual(to: content), "block \(block.number)")
            }
        }
        try? again.close()
    }

    /// The whole lineage's manifest is put back with the disk's, and the numbers of the sessions
    /// since then are given to another session: what named them before is damage.
    @Test(arguments: [true, false])
    func aSnapshotOfAnotherHistoryIsRefused(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        try store.attach(rig.disk).put(pattern(TamperRig.blocks * 4096, seed: 60), at: 0)
        let snapshot = try store.createSnapshot(of: rig.disk, attributes: [:]).id
        try store.close()
        let snapshotPath = rig.name(StoreLayout.snapshot(rig.lineage, snapshot))
        let newer = try rig.files.readObject(snapshotPath, limit: 1 << 20)

        // All as it was after the first session, but for that one snapshot.
        let mixed = rig.older.copy()
        try mixed.replaceObject(snapshotPath, with: newer)
        let again = try rig.open(mixed)
        let disk = try again.attach(rig.disk)
        try disk.put(pattern(TamperRig.blocks * 4096, seed: 61), at: 0)
        try disk.flush()
        #expect(diskErrorCode { _ = try again.openSnapshot(snapshot) } == .damaged)
        #expect(
            diskErrorCode { _ = try again.createDisk(from: snapshot, size: nil, attributes: [:]) }
                == .damaged)
        #expect(throws: DiskError.self) { try again.reset(rig.disk, to: snapshot) }
        // Nothing is given back on the word of a state that is not of this history.
        #expect(diskErrorCode { _ = try again.reclaim(rig.lineage) } == .damaged)
        try again.close()
    }

    /// A clone's chunks are of its own lane; a lane that is free again gives no number twice, also
    /// to a disk whose manifest says that it begins at the first.
    @Test func numbersOfALaneAreGivenOutOnce() throws {
        let harness = try Harness()
        let disk = try harness.disk()
        let content = pattern(1 << 20, seed: 70)
        try disk.put(content, at: 0)
        let snapshot = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        let lineage = disk.lineage
        var given: Set<ChunkNumber> = []
        for round in 0..<3 {
            let clone = try harness.store.createDisk(
                from: snapshot.id, size: nil, attributes: [:])
            let attached = try harness.store.attach(clone.id)
            try attached.put(pattern(1 << 20, seed: UInt64(71 + round)), at: 0)
            try attached.flush()
            let session = try #require(attached.monitor.withLock { attached.log.session })
            for sequence in session.sequences {
                let number = ChunkNumber(lane: session.lane, sequence: sequence)
                #expect(given.insert(number).inserted, "\(number) was given out twice")
            }
            try harness.store.detach(clone.id)
            try harness.store.deleteDisk(clone.id)
            // The background thread may be at it, and the detach have sent it away.
            var isDone = false
            for _ in 0..<5000 where !isDone {
                isDone = try harness.store.reclaim(lineage.id) != nil
                if !isDone { usleep(1000) }
            }
            #expect(isDone)
        }
        #expect(lineage.withManifest { $0.nextLane } == 3, "the lane was used again")
        #expect(try disk.bytes() == content)
        try harness.store.close()
    }

    private struct Shown {
        let number: Int
        /// nil: damaged.
        let bytes: [UInt8]?

        var isDamaged: Bool { bytes == nil }
        func isEqual(to content: [UInt8]) -> Bool {
            bytes == Array(content[number * 4096..<(number + 1) * 4096])
        }
    }

    private func shown(by id: SnapshotID, in store: Store, _ encrypted: Bool) throws -> [Shown] {
        let reader: SnapshotReader
        do {
            reader = try store.openSnapshot(id)
        } catch let error as DiskError where error.code == .damaged {
            return []
        }
        defer { reader.close() }
        return (0..<TamperRig.blocks).map { block in
            var bytes = [UInt8](repeating: 0, count: 4096)
            do {
                try bytes.withUnsafeMutableBytes {
                    try reader.read(into: $0, at: UInt64(block * 4096))
                }
                return Shown(number: block, bytes: bytes)
            } catch {
                return Shown(number: block, bytes: nil)
            }
        }
    }
}
