import ChunkStore
import CryptoPrimitives
import DiskFormat
import Foundation
import HostPrograms
import KeyManagement
import Testing

@testable import DiskEngine

/// Makes a golden store: everything that the format has, in as few blocks as that takes.
final class GoldenMaker {
    private let folder: String
    private let memory = MemoryStore()
    private let files: FaultyStore
    private let keys: MeteredKeys
    private let anchor = InMemoryAnchor()
    private let store: Store
    private var expected = GoldenExpectation(account: "golden", region: "here")
    private var seed: UInt64 = 0

    init(folder: String) throws {
        self.folder = folder
        try GoldenDisk.makeFolder(folder)
        let unlocker = Unlocker.keyFile("\(folder)/keystore/key-file")
        keys = MeteredKeys(
            EmbeddedKMS(
                path: "\(folder)/keystore/keystore.json", account: expected.account,
                region: expected.region, unlocker: unlocker))
        try keys.activate()
        files = FaultyStore(memory)
        try Store.create(in: files, account: expected.account, region: expected.region)
        store = try Store(
            opening: files, keys: keys, holder: "golden", anchor: Anchoring(anchor),
            limits: GoldenDisk.limits)
    }

    func make() throws {
        try GoldenDisk.makeFolder("\(folder)/sealed")
        let main = try encryptedLineage()
        try plainLineage()
        store.reclaimer.waitUntilIdle()
        try killed(main)
        try Program.succeed(
            "tar",
            [
                "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--mode=u=rwX,go=", "-czf",
                "\(folder)/store.tar.gz", "-C", folder, "store", "keystore/keystore.json",
                "keystore/key-file", "anchor", "sealed",
            ])
    }

    /// A disk of three sessions, with a void, discards, a resize and two snapshots; a clone; a disk
    /// that was rolled back. The disk is detached at the end.
    private func encryptedLineage() throws -> DiskID {
        var disk = try attached(encrypted: true)
        let id = disk.id
        try put(disk, blocks: 5, at: 0)
        try put(disk, blocks: 1, at: 150)
        try store.detach(id)

        disk = try store.attach(id)
        let first = try snapshot(of: disk)
        try leaveVoid(in: disk)
        try disk.discard(at: 4096, length: 2 * 4096)
        try put(disk, blocks: 2, at: 3)
        let second = try snapshot(of: disk)
        try seal("full.sealed", first)
        try seal("difference.sealed", second, since: first)
        try store.resize(id, to: 3 << 19)
        try put(disk, blocks: 1, at: 300)

        let clone = try store.attach(
            store.createDisk(from: first, size: 1 << 21, attributes: ["name": "clone"]).id)
        try put(clone, blocks: 2, at: 511 - 1)
        try finish(clone)
        try rolledBack(from: second)
        try store.detach(id)
        return id
    }

    private func rolledBack(from snapshot: SnapshotID) throws {
        let disk = try store.attach(store.createDisk(from: snapshot, size: nil, attributes: [:]).id)
        try put(disk, blocks: 1, at: 7)
        let own = try self.snapshot(of: disk)
        try put(disk, blocks: 2, at: 7)
        try store.reset(disk.id, to: own)
        try put(try #require(store.attached(disk.id)), blocks: 1, at: 20)
        try finish(try #require(store.attached(disk.id)))
    }

    /// A disk of two sessions with a snapshot, and a size that was asked for while it was detached.
    private func plainLineage() throws {
        var disk = try attached(encrypted: false)
        let id = disk.id
        try put(disk, blocks: 3, at: 1)
        let only = try snapshot(of: disk)
        try seal("plain.sealed", only)
        try store.detach(id)
        disk = try store.attach(id)
        try disk.discard(at: 2 * 4096, length: 4096)
        try put(disk, blocks: 1, at: 9)
        let content = try disk.bytes()
        try store.detach(id)
        try store.resize(id, to: 1 << 21)
        expected.disks[id.text] = .init(
            size: 1 << 21,
            sha256: Hex.text(
                try SHA256.hash(content + [UInt8](repeating: 0, count: (1 << 21) - content.count))),
            isEncrypted: false)
    }

    /// The last session ends by a kill: after two checkpoints, with a log to replay, of which the
    /// end was never flushed.
    private func killed(_ id: DiskID) throws {
        let disk = try store.attach(id)
        for place in [30, 40] as [UInt64] {
            try put(disk, blocks: 1, at: place)
            _ = try disk.checkpoint()
        }
        try put(disk, blocks: 2, at: 1)
        try disk.discard(at: 40 * 4096, length: 4096)
        try disk.flush()
        try put(disk, blocks: 1, at: 41)
        expected.disks[id.text] = try .init(disk)
        let left = memory.copy()
        try write(left)
        try store.close()
    }

    /// The parts of the golden store, as files.
    private func write(_ left: MemoryStore) throws {
        for name in left.names where name != "reserve" {
            let path = "\(folder)/store/\(name)"
            try GoldenDisk.makeFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path)
            let name = ObjectName(name)!  // the store's own
            try write(left.readObject(name, limit: 1 << 24), to: path)
        }
        try write(try #require(anchor.bytes), to: "\(folder)/anchor")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try write([UInt8](encoder.encode(expected)) + [10], to: "\(folder)/expected.json")
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    // MARK: Steps

    private func attached(encrypted: Bool) throws -> Disk {
        try store.attach(
            store.createDisk(
                encrypted: encrypted, size: 1 << 20,
                attributes: ["name": encrypted ? "main" : "plain"]
            ).id)
    }

    /// Blocks of other content each time.
    private func put(_ disk: Disk, blocks: Int, at block: UInt64) throws {
        seed += 1
        try disk.put(pattern(blocks * 4096, seed: seed), at: block * 4096)
    }

    /// A write fails, and its slot is voided.
    private func leaveVoid(in disk: Disk) throws {
        files.arm(Fault([.write], prefix: "lineages/\(disk.lineage.id)/chunks/"))
        #expect(throws: DiskError.self) { try put(disk, blocks: 1, at: 100) }
        files.disarm()
    }

    private func snapshot(of disk: Disk) throws -> SnapshotID {
        let id = try store.createSnapshot(of: disk.id, attributes: ["name": "\(seed)"]).id
        expected.snapshots[id.text] = try .init(id, in: store)
        return id
    }

    private func seal(_ name: String, _ id: SnapshotID, since base: SnapshotID? = nil) throws {
        let named = GoldenExpectation.Sealed(snapshot: id.text, base: base?.text, sha256: "")
        let file = try store.sealed(named)
        try write(file, to: "\(folder)/sealed/\(name)")
        expected.sealed[name] = .init(
            snapshot: id.text, base: base?.text, sha256: Hex.text(try SHA256.hash(file)))
    }

    private func finish(_ disk: Disk) throws {
        expected.disks[disk.id.text] = try .init(disk)
        try store.detach(disk.id)
    }
}
