import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Sessions and the numbers of chunks that they own.
@Suite struct SessionTests {
    /// More chunks than a session is given at once.
    @Test func aSessionThatWritesMuchIsGivenMore() throws {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 8
        let harness = try Harness(limits: limits)
        let disk = try harness.disk()
        for round in 0..<4 {
            try disk.put(pattern(1 << 20, seed: UInt64(round)), at: 0)
        }
        try disk.flush()
        let session = try #require(disk.monitor.withLock { disk.log.session })
        #expect(session.sequences.count > 2 * Int(Lineage.sequencesPerGrant))
        let id = disk.id
        try harness.crash(.powerCut)
        #expect(try harness.store.attach(id).bytes() == pattern(1 << 20, seed: 3))
        try harness.store.close()
    }

    /// Attempts to open a session that fail behind its record use the record again.
    @Test func aFailedBeginningLeavesOneRecord() throws {
        let harness = try FaultHarness()
        try harness.disk.put(pattern(4096 * 40, seed: 1), at: 0)
        try harness.disk.flush()
        // A chunk behind the end of the log, which cannot be removed.
        let copy = harness.memory.copy()
        let stray = ChunkNumber(lane: 1, sequence: 100)
        _ = try copy.createFile(
            ObjectName(StoreLayout.chunk(harness.disk.lineage.id, stray))!, length: 10)  // valid
        let left = FaultyStore(copy)
        let store = try Store(
            opening: left, keys: harness.keys, holder: "t", limits: Harness.smallLimits)
        let disk = try store.attach(harness.disk.id)
        left.arm(Fault([.remove], prefix: "lineages/", isLasting: true))
        for _ in 0..<10 {
            #expect(throws: DiskError.self) { try disk.put(pattern(4096, seed: 2), at: 0) }
        }
        left.disarm()
        try disk.put(pattern(4096, seed: 3), at: 0)
        #expect(disk.lineage.sessions(of: disk.id).count == 2)
        try store.close()
        try harness.store.close()
    }

    /// Records of sessions of which nothing is left go with the next reclamation, and the disk is
    /// the same after it.
    @Test func recordsOfDeadSessionsGo() throws {
        let harness = try Harness()
        var id: DiskID?
        for round in 0..<12 {
            let disk = try id.map { try harness.store.attach($0) } ?? harness.disk()
            id = disk.id
            try disk.put(pattern(1 << 20, seed: UInt64(round)), at: 0)
            if round < 11 { try harness.store.detach(disk.id) }
        }
        let disk = try #require(harness.store.attachedDisks().first)
        let lineage = disk.lineage
        try disk.checkpoint()
        _ = try harness.store.reclaim(lineage.id)
        #expect(harness.store.status().chunksReclaimed > 0)
        #expect(lineage.sessions(of: disk.id).count <= 3)
        try harness.reopen()
        #expect(try harness.store.attach(disk.id).bytes() == pattern(1 << 20, seed: 11))
        try harness.store.close()
    }

    /// Also where little is written: short sessions do not make a lineage ever slower to attach.
    @Test func recordsStayFewHoweverOftenADiskIsAttached() throws {
        let harness = try Harness()
        let id = try harness.disk().id
        for round in 0..<400 {
            let disk =
                try round == 0 ? #require(harness.store.attached(id)) : harness.store.attach(id)
            try disk.put(pattern(4096, seed: UInt64(round)), at: 0)
            try harness.store.detach(id)
        }
        let disk = try harness.store.attach(id)
        harness.store.reclaimer.waitUntilIdle()
        #expect(disk.lineage.sessions(of: id).count <= 128)
        #expect(harness.chunkFiles.count <= 128)
        #expect(try disk.bytes(0, 4096) == pattern(4096, seed: 399))
        try harness.store.close()
    }

    /// An attach looks behind the end of the log for traces of what is missing, at entries alone:
    /// bodies of what was never written would fill the host's page cache with zeros.
    @Test func bodiesBehindTheLogAreNotRead() throws {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 2048
        let harness = try Harness(limits: limits)
        let disk = try harness.disk()
        try disk.put(pattern(4096, seed: 9), at: 0)
        try disk.flush()
        let layout = try #require(ChunkLayout(slotCount: 2048))
        let left = FaultyStore(harness.files.copy())
        let store = try Store(opening: left, keys: harness.keys, holder: "t", limits: limits)
        left.arm(
            Fault(
                [.read], prefix: "lineages/", isLasting: true,
                bytes: layout.bodyOffset(of: 1024)..<layout.fileSize))
        #expect(try store.attach(disk.id).bytes(0, 4096) == pattern(4096, seed: 9))
        try store.close()
        try harness.store.close()
    }

    /// A chunk whose creation was reported as failed and that is there all the same, followed by
    /// the next one: the log passes over it.
    @Test(arguments: [true, false]) func aChunkLeftByAFailureIsPassedOver(powerCut: Bool) throws {
        let harness = try FaultHarness()
        let content = pattern(1 << 20, seed: 5)
        try harness.disk.put(Array(content[..<4096]), at: 0)
        harness.files.arm(
            Fault([.createFile], prefix: "lineages/", isLasting: true, effect: .whole))
        // Until the chunks that were there are full.
        #expect(throws: DiskError.self) { try harness.disk.put(content, at: 0) }
        harness.files.disarm()
        try harness.disk.put(content, at: 0)
        try harness.disk.flush()
        let left = harness.memory.copy()
        if powerCut { left.crash() }
        let store = try Store(
            opening: left, keys: harness.keys, holder: "t", limits: Harness.smallLimits)
        #expect(try store.attach(harness.disk.id).bytes() == content)
        try store.close()
        try harness.store.close()
    }

    /// The last chunk's header is zeroed: never taken for a chunk that was not used.
    @Test func aBlankedHeaderIsDamage() throws {
        let harness = try Harness()
        let disk = try harness.disk()
        try disk.put(pattern(4096, seed: 6), at: 0)
        try disk.flush()
        let last = try #require(disk.monitor.withLock { disk.log.active?.number })
        let files = harness.files.copy()
        for name in files.names where name.hasSuffix(".chunk") {
            let isLater = try #require(harness.chunkFiles.firstIndex(of: name)) > 0
            if isLater { try files.remove(harness.file(name)) }
        }
        try files.mutateFile(
            harness.file(StoreLayout.chunk(disk.lineage.id, last)), at: 0, count: 512
        ) { $0 = Array(repeating: 0, count: 512) }
        let store = try Store(
            opening: files, keys: harness.keys, holder: "t", limits: Harness.smallLimits)
        #expect(diskErrorCode { try store.attach(disk.id) } == .damaged)
        #expect(files.names.contains { $0.hasSuffix(".chunk") }, "the chunk was deleted")
        try store.close()
        try harness.store.close()
    }

    /// A clone whose manifest cannot be written gives its lane back.
    @Test func aFailedCloneCostsNoLane() throws {
        let harness = try FaultHarness()
        try harness.disk.put(pattern(4096, seed: 7), at: 0)
        let snapshot = try harness.store.createSnapshot(of: harness.disk.id, attributes: [:])
        let lineage = harness.disk.lineage
        for _ in 0..<5 {
            harness.files.arm(
                Fault([.replaceObject], prefix: "lineages/\(lineage.id)/disks/", code: .io))
            #expect(throws: DiskError.self) {
                try harness.store.createDisk(from: snapshot.id, size: nil, attributes: [:])
            }
        }
        _ = try harness.store.createDisk(from: snapshot.id, size: nil, attributes: [:])
        #expect(lineage.withManifest { $0.nextLane } == 3)
        try harness.store.close()
    }

    /// A plain lineage's counters may be anything: one at its bound is refused when it would have
    /// to be raised, and stays readable.
    @Test func aCounterAtItsBoundIsToldAndHarmsNothing() throws {
        let harness = try Harness()
        let disk = try harness.store.createDisk(encrypted: false, size: 1 << 20, attributes: [:])
        try harness.store.close()
        let path = harness.file(StoreLayout.lineageManifest(disk.lineage))
        let keys = try LineageKeys.plain(disk.lineage)
        var (manifest, version) = try UnopenedManifest(
            bytes: harness.files.readObject(path, limit: 1 << 20)
        ).lineage(with: keys)
        manifest.nextSession = Format.maximumCount - 1
        version += 1
        try harness.files.replaceObject(
            path, with: manifest.sealed(version: version, with: keys).bytes)
        try harness.reopen()
        let attached = try harness.store.attach(disk.id)
        #expect(diskErrorCode { try attached.put(pattern(4096, seed: 8), at: 0) } == .limit)
        #expect(try attached.bytes(0, 4096) == [UInt8](repeating: 0, count: 4096))
        try harness.reopen()
        #expect(throws: Never.self) { try harness.store.attach(disk.id) }
        try harness.store.close()
    }
}
