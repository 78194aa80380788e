import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import Testing

@testable import DiskEngine

/// A snapshot leaves one store as a sealed file and comes into another: the same snapshot, under
/// the same key, or nothing at all.
@Suite struct SnapshotImportTests {
    private static let blocks = 700

    /// Data, holes, a block of zeros that is stored, and a tail.
    private static func fill(_ disk: Disk, seed: UInt64) throws {
        try disk.put(pattern(300 * 4096, seed: seed), at: 8192)
        try disk.put([UInt8](repeating: 0, count: 4096), at: 400 * 4096)
        try disk.put(pattern(4096, seed: seed + 1), at: UInt64((blocks - 1) * 4096))
    }

    @Test(arguments: [true, false]) func anotherStoreHasTheSameSnapshot(encrypted: Bool) throws {
        let from = try Harness()
        let disk = try from.disk(UInt64(Self.blocks * 4096), encrypted: encrypted)
        try Self.fill(disk, seed: 1)
        let snapshot = try from.store.createSnapshot(of: disk.id, attributes: [:])
        let file = try from.sealed(snapshot.id)

        let into = try Harness(limits: Self.detectingZeroes, keys: from.keys)
        let found = try into.store.importing(file)
        #expect(found.id == snapshot.id && found.created == snapshot.created)
        #expect(found.disk == disk.id && !found.diskExists && found.size == snapshot.size)
        #expect(found.storedBytes == snapshot.storedBytes && found.lineage == snapshot.lineage)
        #expect(found.isEncrypted == encrypted && found.keyID == snapshot.keyID)
        #expect(try into.store.disks().isEmpty && into.store.imports().isEmpty)
        // The reclaimer may be looking at it for a moment, where it needs no key for that.
        for _ in 0..<500 where into.store.status().openLineages > 0 { usleep(10_000) }
        #expect(into.store.status().openLineages == 0, "a key is left in memory")
        if encrypted {
            let error = #expect(throws: DiskError.self) { try into.store.openSnapshot(found.id) }
            #expect(error?.code == .keyRequired)
        }
        // Also after the store was opened anew, and in a disk made from it.
        try into.reopen()
        let clone = try into.store.createDisk(from: found.id, size: nil, attributes: [:])
        #expect(try into.store.attach(clone.id).bytes() == disk.bytes())
        #expect(try into.sealed(found.id) == file)
        let again = #expect(throws: DiskError.self) { try into.store.importing(file) }
        #expect(again?.code == .alreadyExists)
        try into.store.close()
        try from.store.close()
    }

    private static var detectingZeroes: Limits {
        var limits = Harness.smallLimits
        limits.detectZeroes = true
        return limits
    }

    @Test(arguments: [true, false]) func aDifferenceBringsTheRest(encrypted: Bool) throws {
        let from = try Harness()
        let rig = try Differences(from, encrypted: encrypted)
        let into = try Harness(keys: from.keys)
        let early = #expect(throws: DiskError.self) {
            try into.store.importing(rig.difference)
        }
        #expect(early?.code == .notFound)
        #expect(into.files.names.allSatisfy { !$0.contains("lineages") })
        _ = try into.store.importing(rig.base)
        _ = try into.store.importing(rig.difference)
        let clone = try into.store.createDisk(from: rig.second, size: nil, attributes: [:])
        #expect(try into.store.attach(clone.id).bytes() == rig.content)
        #expect(try into.sealed(rig.second) == from.sealed(rig.second))
        // The later one alone is shorter than both.
        #expect(rig.difference.count < rig.base.count)
        try into.store.close()
        try from.store.close()
    }

    /// A disk, a snapshot, changes of every kind, and a second snapshot.
    private struct Differences {
        let first: SnapshotID
        let second: SnapshotID
        let base: [UInt8]
        let difference: [UInt8]
        let content: [UInt8]

        init(_ harness: Harness, encrypted: Bool) throws {
            let disk = try harness.disk(UInt64(blocks * 4096), encrypted: encrypted)
            try fill(disk, seed: 1)
            first = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
            base = try harness.sealed(first)
            try harness.store.resize(disk.id, to: UInt64((blocks + 100) * 4096))
            try disk.put(pattern(130 * 4096, seed: 7), at: 100 * 4096)
            try disk.discard(at: 50 * 4096, length: 20 * 4096)
            try disk.put(pattern(4096, seed: 8), at: UInt64((blocks + 50) * 4096))
            second = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
            difference = try harness.difference(second, since: first)
            content = try disk.bytes()
        }
    }

    @Test func aDifferenceBackToASmallerOneComesIn() throws {
        let from = try Harness()
        let rig = try Differences(from, encrypted: true)
        let back = try from.difference(rig.first, since: rig.second)
        let into = try Harness(keys: from.keys)
        let later = try from.sealed(rig.second)
        _ = try into.store.importing(later)
        _ = try into.store.importing(back)
        let clone = try into.store.createDisk(from: rig.first, size: nil, attributes: [:])
        try into.store.attach(clone.id)
        #expect(try into.sealed(rig.first) == rig.base)
        try into.store.close()
        try from.store.close()
    }

    /// Imports have maps of their own: the same two snapshots differ in other blocks there, which
    /// must never be sealed under the key of the first difference.
    @Test func aDifferenceOfImportsHasAnotherKey() throws {
        let from = try Harness()
        let rig = try Differences(from, encrypted: true)
        let into = try Harness(keys: from.keys)
        _ = try into.store.importing(rig.base)
        _ = try into.store.importing(try from.sealed(rig.second))
        let clone = try into.store.createDisk(from: rig.second, size: nil, attributes: [:])
        try into.store.attach(clone.id)
        let difference = try into.difference(rig.second, since: rig.first)
        #expect(difference == (try into.difference(rig.second, since: rig.first)))
        let (here, there) = (
            try Self.header(difference).differenceSalt,
            try Self.header(rig.difference).differenceSalt
        )
        #expect(there == SealedSnapshotHeader.noDifferenceSalt && here != there)
        // Everything differs, and all of it comes in where the base is.
        let third = try Harness(keys: from.keys)
        _ = try third.store.importing(rig.base)
        _ = try third.store.importing(difference)
        let copy = try third.store.createDisk(from: rig.second, size: nil, attributes: [:])
        #expect(try third.store.attach(copy.id).bytes() == rig.content)
        for harness in [from, into, third] { try harness.store.close() }
    }

    private static func header(_ file: [UInt8]) throws -> SealedSnapshotHeader {
        try UnopenedSealedHeader(bytes: Array(file[..<4096])).openUnverified()
    }

    @Test func whatWasCutOffIsGoneOnWith() throws {
        let from = try Harness()
        let rig = try Differences(from, encrypted: true)
        let into = try Harness(keys: from.keys)
        for (file, id) in [(rig.base, rig.first), (rig.difference, rig.second)] {
            for cut in [file.count / 3, file.count - 4096, file.count - 1] {
                let error = #expect(throws: DiskError.self) {
                    try into.store.importing(Array(file[..<cut]))
                }
                #expect(error?.code == .damaged && "\(error!)".contains("cut off"))
                #expect(into.store.imports().map(\.id) == [id])
                #expect(into.store.imports().allSatisfy { !$0.isRunning })
                #expect(throws: DiskError.self) { try into.store.snapshot(id) }
                try into.reopen()
            }
            _ = try into.store.importing(file)
            #expect(into.store.imports().isEmpty)
        }
        let clone = try into.store.createDisk(from: rig.second, size: nil, attributes: [:])
        #expect(try into.store.attach(clone.id).bytes() == rig.content)
        #expect(try into.sealed(rig.first) == rig.base)
        try into.store.close()
        try from.store.close()
    }

    @Test func goingOnWritesOnlyTheRest() throws {
        let from = try Harness()
        let rig = try Differences(from, encrypted: true)
        let into = try Harness(keys: from.keys)
        _ = try? into.store.importing(Array(rig.base[..<(rig.base.count - 1)]))
        into.store.reclaimer.waitUntilIdle()
        let before = into.chunkFiles.count
        _ = try into.store.importing(rig.base)
        #expect(into.chunkFiles.count <= before + 2)
        try into.store.close()
        try from.store.close()
    }

    /// The disk's session is older than the one that the snapshot came in with.
    @Test func anAttachedDiskIsPutBackToAnImport() throws {
        let harness = try Harness()
        let disk = try harness.disk(UInt64(Self.blocks * 4096))
        try Self.fill(disk, seed: 1)
        let snapshot = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        let content = try disk.bytes()
        let file = try harness.sealed(snapshot.id)
        try harness.store.deleteSnapshot(snapshot.id)
        try disk.put(pattern(9 * 4096, seed: 2), at: 0)
        _ = try harness.store.importing(file)
        try harness.store.reset(disk.id, to: snapshot.id)
        let fresh = try #require(harness.store.attached(disk.id))
        #expect(try fresh.bytes() == content)
        try fresh.put(pattern(4096, seed: 3), at: 0)
        try harness.store.detach(disk.id)
        let again = try harness.store.attach(disk.id)
        #expect(try again.bytes(4096) == Array(content[4096...]))
        #expect(try again.bytes(0, 4096) == pattern(4096, seed: 3))
        try harness.store.close()
    }

    @Test func whatIsGivenUpLeavesNothing() throws {
        let from = try Harness()
        let rig = try Differences(from, encrypted: true)
        let into = try Harness(keys: from.keys)
        _ = try? into.store.importing(Array(rig.base[..<(rig.base.count - 1)]))
        try into.store.discardImport(of: rig.first)
        let error = #expect(throws: DiskError.self) {
            try into.store.discardImport(of: rig.first)
        }
        #expect(error?.code == .notFound)
        into.store.reclaimer.waitUntilIdle()
        #expect(into.files.names.allSatisfy { !$0.contains("lineages/") })
        // And what was deleted may come again.
        _ = try into.store.importing(rig.base)
        try into.store.deleteSnapshot(rig.first)
        into.store.reclaimer.waitUntilIdle()
        #expect(into.files.names.allSatisfy { !$0.contains("lineages/") })
        _ = try into.store.importing(rig.base)
        try into.store.close()
        try from.store.close()
    }
}

extension Harness {
    func sealed(_ id: SnapshotID) throws -> [UInt8] {
        let reader = try store.openSealedSnapshot(id)
        defer { reader.close() }
        return try reader.bytes()
    }

    /// Read in pieces that end anywhere.
    func difference(_ id: SnapshotID, since base: SnapshotID) throws -> [UInt8] {
        let reader = try store.openSealedDifference(of: id, since: base)
        defer { reader.close() }
        var file: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 70_001)
        while true {
            let count = try piece.withUnsafeMutableBytes {
                try reader.read(into: $0, at: UInt64(file.count))
            }
            if count == 0 { return file }
            file += piece[..<count]
        }
    }
}

extension Store {
    func importing(_ file: [UInt8]) throws -> SnapshotSummary {
        var rest = file[...]
        return try importSnapshot(reading: { buffer in
            let piece = rest.prefix(buffer.count)
            buffer.copyBytes(from: piece)
            rest = rest.dropFirst(piece.count)
            return piece.count
        })
    }
}
