import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// What was once found broken: a manifest write that fails at the worst moment, and a lineage
/// exchanged behind an open store.
@Suite struct RegressionTests {
    /// A manifest write fails at a checkpoint; the next snapshot must still hold what was written.
    @Test func snapshotAfterAFailedManifest() throws {
        let memory = MemoryStore()
        let files = FaultyStore(memory)
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        try disk.put([UInt8](repeating: 7, count: 4096), at: 0)
        try disk.flush()
        files.arm(Fault([.replaceObject], prefix: "lineages/\(disk.lineage.id)/disks/"))
        #expect(throws: (any Error).self) { try store.createSnapshot(of: id, attributes: [:]) }
        let snapshot = try store.createSnapshot(of: id, attributes: [:])
        let reader = try store.openSnapshot(snapshot.id)
        #expect(try reader.bytes()[0] == 7, "the snapshot lacks a flushed write")
        reader.close()
        try store.close()
    }

    /// Power fails between the checkpoint's slot and the manifest of a rollback.
    @Test func crashInTheMiddleOfARollback() throws {
        let memory = MemoryStore()
        let files = FaultyStore(memory)
        let keys = InMemoryKMS()
        try Store.create(in: files, account: "a", region: "r")
        var store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        try disk.put([UInt8](repeating: 1, count: 4096), at: 0)
        let s = try store.createSnapshot(of: id, attributes: [:])
        try disk.put([UInt8](repeating: 2, count: 4096), at: 0)
        try disk.flush()
        _ = try store.createSnapshot(of: id, attributes: [:])
        // The second: the first announces the rollback.
        store.reclaimer.waitUntilIdle()  // its checkpoints are not the one that is to fail
        files.arm(
            Fault(
                [.replaceObject], prefix: "lineages/\(disk.lineage.id)/disks/", call: 2,
                isLasting: true))
        try store.reset(id, to: s.id)
        let left = memory.copy()
        left.crash()
        try? store.close()
        store = try Store(opening: left, keys: keys, holder: "t", limits: Harness.smallLimits)
        let again = try store.attach(id)
        let now = try again.bytes(0, 1)[0]
        let snapshot = try store.createSnapshot(of: id, attributes: [:])
        let reader = try store.openSnapshot(snapshot.id)
        #expect(try reader.bytes()[0] == now, "the snapshot is not the disk")
        reader.close()
        try store.close()
    }

    /// Somebody makes the lineage a plain one while the store is open.
    @Test func aLineageMadePlainBehindAnOpenStore() throws {
        let files = MemoryStore()
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        let summary = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
        let lineage = summary.lineage
        let forged = try LineageKeys.plain(lineage)
        var manifest = LineageManifest(
            key: .init(
                suite: .plain, epoch: 0, keyID: nil, wrappedKey: nil,
                keyCheck: HexBytes(forged.keyCheck)), created: 0)
        manifest.nextLane = 2
        let disk = DiskManifest(
            id: summary.id, created: 0, lane: 1, slotsPerChunk: 64,
            origin: .empty(size: 1 << 20), sourceSnapshot: nil,
            nextSequence: 1, attributes: [:])
        try files.replaceObject(
            ObjectName(StoreLayout.lineageManifest(lineage))!,
            with: manifest.sealed(version: 2, with: forged).bytes)
        try files.replaceObject(
            ObjectName(StoreLayout.disk(lineage, summary.id))!,
            with: disk.sealed(version: 2, with: forged).bytes)
        let shown = try store.disk(summary.id).isEncrypted
        let attached = try? store.attach(summary.id)
        if let attached {
            #expect(attached.isEncrypted == shown, "shown encrypted, attached plain")
            #expect(try store.disk(summary.id).isEncrypted == attached.isEncrypted)
        }
        try store.close()
    }

    /// Rollback whose manifest is not written, crash, then the snapshot is deleted.
    @Test func aRollbackTheManifestDoesNotNameKeepsItsBlocks() throws {
        let memory = MemoryStore()
        let files = FaultyStore(memory)
        let keys = InMemoryKMS()
        try Store.create(in: files, account: "a", region: "r")
        var store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        func fill(_ byte: UInt8) throws {
            try disk.put([UInt8](repeating: byte, count: 1 << 20), at: 0)
            try disk.flush()
        }
        try fill(1)
        let s = try store.createSnapshot(of: id, attributes: [:])
        for byte in UInt8(2)...4 {
            try fill(byte)
            let t = try store.createSnapshot(of: id, attributes: [:])
            try store.deleteSnapshot(t.id)
        }
        // Nobody else writes the manifest from here on.
        store.reclaimer.waitUntilIdle()
        try disk.checkpoint()
        files.arm(
            Fault(
                [.replaceObject], prefix: "lineages/\(disk.lineage.id)/disks/", call: 2,
                isLasting: true))
        try store.reset(id, to: s.id)
        let left = memory.copy()
        left.crash()
        try? store.close()
        store = try Store(opening: left, keys: keys, holder: "t", limits: Harness.smallLimits)
        let again = try store.attach(id)
        #expect(try again.bytes(0, 1)[0] == 1)
        try store.deleteSnapshot(s.id)
        store.reclaimer.waitUntilIdle()
        #expect(throws: Never.self) { _ = try again.bytes() }
        try? store.close()
    }
}
