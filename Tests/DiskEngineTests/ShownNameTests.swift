import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Names come out of records that nobody has verified while the key is away. What a request found
/// by a name is acted upon only if the authentic record has that name.
@Suite struct ShownNameTests {
    private struct Pair {
        let files = MemoryStore()
        let keys = InMemoryKMS()
        let alpha: DiskID
        let beta: DiskID
        let paths: [ObjectName]
        let honest: [[UInt8]]

        init(encrypted: Bool) throws {
            try Store.create(in: files, account: "a", region: "r")
            let store = try Store(
                opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
            let disks = try ["alpha", "beta"].map {
                try store.createDisk(encrypted: encrypted, size: 1 << 20, attributes: ["N": $0])
            }
            (alpha, beta) = (disks[0].id, disks[1].id)
            paths = disks.map { ObjectName(StoreLayout.disk($0.lineage, $0.id))! }  // its own path
            honest = try paths.map { [files] in try files.readObject($0, limit: 1 << 20) }
            try store.close()
        }

        /// Exchanges the two names in the unverified records.
        func swapNames() throws {
            for (path, bytes) in zip(paths, honest) {
                let text = String(decoding: bytes, as: UTF8.self)
                let isAlpha = text.contains(#""N":"alpha""#)
                let swapped = text.replacing(
                    isAlpha ? #""N":"alpha""# : #""N":"beta""#,
                    with: isAlpha ? #""N":"beta""# : #""N":"alpha""#)
                try files.replaceObject(path, with: Array(swapped.utf8))
            }
        }

        func restore() throws {
            for (path, bytes) in zip(paths, honest) {
                try files.replaceObject(path, with: bytes)
            }
        }
    }

    /// Names are exchanged before the store is opened and put back afterwards: the disk that was
    /// found as alpha is beta, and is neither attached nor deleted.
    @Test func aDiskFoundByAnotherOnesNameIsLeftAlone() throws {
        let pair = try Pair(encrypted: true)
        try pair.swapNames()
        let store = try Store(
            opening: pair.files, keys: pair.keys, holder: "t", limits: Harness.smallLimits)
        let found = try #require(try store.disks().first { $0.attributes["N"] == "alpha" })
        #expect(found.id == pair.beta)
        try pair.restore()
        #expect(diskErrorCode { try store.deleteDisk(found.id) } == .damaged)
        #expect(diskErrorCode { try store.attach(found.id) } == .damaged)
        #expect(store.attachedDisks().isEmpty)
        // The list is right now, and the disk can be had under its own name.
        #expect(try store.disk(found.id).attributes["N"] == "beta")
        try store.attach(found.id)
        try store.close()
        #expect(Set(try opened(pair).disks().map(\.id)) == [pair.alpha, pair.beta])
    }

    /// As long as the exchanged records stand, the MAC tells.
    @Test func aChangedRecordIsRefused() throws {
        let pair = try Pair(encrypted: true)
        try pair.swapNames()
        let store = try opened(pair)
        let found = try #require(try store.disks().first { $0.attributes["N"] == "alpha" })
        #expect(diskErrorCode { try store.attach(found.id) } == .damaged)
        try store.close()
    }

    /// A snapshot that shows under another one's name is not opened, cloned, or rolled back to.
    @Test func aSnapshotFoundByAnotherOnesNameIsLeftAlone() throws {
        let harness = try Harness()
        let disk = try harness.disk()
        try disk.put(pattern(4096, seed: 1), at: 0)
        let snapshot = try harness.store.createSnapshot(of: disk.id, attributes: ["N": "monday"])
        let id = disk.id
        try harness.store.detach(id)
        let path = harness.file(StoreLayout.snapshot(disk.lineage.id, snapshot.id))
        let honest = try harness.files.readObject(path, limit: 1 << 20)
        let changed = String(decoding: honest, as: UTF8.self)
            .replacing("monday", with: "tuesday")
        try harness.files.replaceObject(path, with: Array(changed.utf8))
        try harness.reopen()
        try harness.files.replaceObject(path, with: honest)
        #expect(try harness.store.snapshot(snapshot.id).attributes["N"] == "tuesday")
        try harness.store.attach(id)
        #expect(diskErrorCode { _ = try harness.store.openSnapshot(snapshot.id) } == .damaged)
        #expect(try harness.store.snapshot(snapshot.id).attributes["N"] == "monday")
        try harness.store.openSnapshot(snapshot.id).close()
        try harness.store.close()
    }

    /// Other attributes, attached and detached, survive a reopening.
    @Test(arguments: [true, false]) func attributesChange(attached: Bool) throws {
        let harness = try Harness()
        let disk = try harness.disk()
        let id = disk.id
        try disk.put(pattern(4096, seed: 2), at: 0)
        let snapshot = try harness.store.createSnapshot(of: id, attributes: ["N": "one"])
        if !attached { try harness.store.detach(id) }
        try harness.store.setAttributes(of: id, to: ["N": "new"])
        try harness.store.setAttributes(of: snapshot.id, to: ["N": "two"])
        #expect(try harness.store.disk(id).attributes == ["N": "new"])
        try harness.reopen()
        #expect(try harness.store.disk(id).attributes == ["N": "new"])
        #expect(try harness.store.snapshot(snapshot.id).attributes == ["N": "two"])
        #expect(try harness.store.attach(id).bytes(0, 4096) == pattern(4096, seed: 2))
        try harness.store.openSnapshot(snapshot.id).close()
        try harness.store.close()
    }

    /// What reads find is told, by disk and by snapshot, until it is looked at.
    @Test func damageIsRemembered() throws {
        let rig = try TamperRig(encrypted: true)
        let survey = try TamperSurvey(rig)
        let bad = try #require(
            survey.slots.first { slot in
                survey.live[slot.address].map { (30..<90).contains($0) } ?? false
            }
        ).address
        let files = try rig.tampered {
            try $0.mutateFile(rig.chunkName(bad.chunk)) { bytes in
                bytes[survey.body(bad).lowerBound] ^= 1
            }
        }
        let store = try rig.open(files)
        let disk = try store.attach(rig.disk)
        #expect(store.damage().isEmpty)
        #expect(throws: DiskError.self) { try disk.bytes() }
        #expect(try store.disk(rig.disk).damage?.count == 1)
        #expect(store.status().damage["disk \(rig.disk)"]?.contains("chunk") == true)
        try store.close()
    }

    private func opened(_ pair: Pair) throws -> Store {
        try Store(opening: pair.files, keys: pair.keys, holder: "t", limits: Harness.smallLimits)
    }
}
