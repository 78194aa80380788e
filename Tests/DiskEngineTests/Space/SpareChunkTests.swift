import ChunkStore
import DiskFormat
import KeyManagement
import Scheduling
import Testing

@testable import DiskEngine

/// Chunks that died of being overwritten become the next ones.
@Suite struct SpareChunkTests {
    private static let blocks = 512

    /// Passes are made when the test says so, and at no other time.
    private static var limits: Limits {
        var limits = Harness.smallLimits
        limits.leastReclaimBlocks = 1 << 20
        return limits
    }

    /// A store whose calls are counted and may fail.
    private struct Rig {
        let memory: MemoryStore
        let faulty: FaultyStore
        let store: Store
        let disk: Disk

        init(_ kind: ChunkKind = .appendable) throws {
            memory = MemoryStore(chunkKind: kind)
            faulty = FaultyStore(memory)
            try Store.create(in: faulty, account: "tests", region: "here")
            store = try Store(
                opening: faulty, keys: InMemoryKMS(), holder: "tests",
                limits: SpareChunkTests.limits)
            let summary = try store.createDisk(
                encrypted: true, size: UInt64(SpareChunkTests.blocks * 4096), attributes: [:])
            disk = try store.attach(summary.id)
        }

        /// Overwrites the disk from beginning to end, with a pass after every quarter.
        func overwrite(seed: UInt64) throws -> [UInt8] {
            let bytes = pattern(SpareChunkTests.blocks * 4096, seed: seed)
            let part = bytes.count / 4
            for index in 0..<4 {
                try disk.put(
                    Array(bytes[index * part..<(index + 1) * part]), at: UInt64(index * part))
                store.reclaimer.request(disk.lineage.id, walking: false)
                store.reclaimer.waitUntilIdle()
            }
            return bytes
        }

        var recycled: Int { faulty.count(of: [.recycleFile]) }
        var chunks: Int { memory.names.count { $0.hasSuffix(".chunk") } }
    }

    @Test func overwritingRecyclesAndNothingIsLost() throws {
        let rig = try Rig()
        for seed in 1..<8 {
            let expected = try rig.overwrite(seed: UInt64(seed))
            #expect(try rig.disk.bytes() == expected)
        }
        #expect(rig.recycled >= 16, "\(rig.recycled) of \(rig.faulty.count(of: [.createFile]))")
        // Twice what lives: what waits for a pass, spares, the log's head.
        #expect(rig.chunks <= 2 * Self.blocks / 64 + 4, "\(rig.chunks)")
        try rig.store.close()
    }

    /// Whole objects have to be deleted first, and writers would wait for that: a pass does it.
    @Test func nothingIsRecycledWhereChunksAreWholeObjects() throws {
        let rig = try Rig(.whole)
        for seed in 1..<4 {
            let expected = try rig.overwrite(seed: UInt64(seed))
            #expect(try rig.disk.bytes() == expected)
        }
        #expect(rig.recycled == 0)
        #expect(rig.chunks <= 2 * Self.blocks / 64 + 4, "\(rig.chunks)")
        try rig.store.close()
    }

    /// Who writes a disk over in order needs neither new chunks nor holes in old ones, with passes
    /// when they are due.
    @Test func overwritingInOrderMakesNoChunkAndPunchesNoHole() throws {
        var limits = SpareChunkTests.limits
        limits.leastReclaimBlocks = 64
        limits.checkpointLogBlocks = 1 << 20  // none but those of the passes
        let blocks = 2048
        let faulty = FaultyStore(MemoryStore())
        try Store.create(in: faulty, account: "tests", region: "here")
        let store = try Store(
            opening: faulty, keys: InMemoryKMS(), holder: "tests", limits: limits)
        let disk = try store.attach(
            store.createDisk(encrypted: true, size: UInt64(blocks * 4096), attributes: [:]).id)
        func overwrite(seed: UInt64) throws {
            for piece in 0..<blocks / 16 {
                try disk.put(pattern(16 * 4096, seed: seed), at: UInt64(piece * 16 * 4096))
                store.reclaimer.waitUntilIdle()
            }
        }
        for seed in 0..<3 { try overwrite(seed: UInt64(seed)) }
        let before = [StoreOperation.createFile, .recycleFile, .deallocate].map {
            faulty.count(of: [$0])
        }
        for seed in 3..<7 { try overwrite(seed: UInt64(seed)) }
        // Of 132; a supply that is late for several passes in a row makes one more each time.
        #expect(faulty.count(of: [.createFile]) - before[0] <= 16)
        #expect(faulty.count(of: [.recycleFile]) - before[1] >= 4 * blocks / 64 - 4)
        #expect(faulty.count(of: [.deallocate]) == before[2])
        try store.close()
    }

    /// What a stale entry or body of a chunk's earlier life could do, it would do at recovery.
    @Test(arguments: Harness.Crash.allCases)
    func recoveryOfRecycledChunksFindsAllThatWasFlushed(_ crash: Harness.Crash) throws {
        let harness = try Harness(limits: SpareChunkTests.limits)
        var disk = try harness.disk(UInt64(Self.blocks * 4096))
        let id = disk.id
        var expected: [UInt8] = []
        for seed in 1..<12 {
            expected = pattern(Self.blocks * 4096, seed: UInt64(seed))
            let part = expected.count / 8
            for index in 0..<8 {
                try disk.put(
                    Array(expected[index * part..<(index + 1) * part]), at: UInt64(index * part))
                harness.store.reclaimer.request(disk.lineage.id, walking: false)
                harness.store.reclaimer.waitUntilIdle()
            }
            try disk.flush()
            if seed.isMultiple(of: 3) {
                try harness.crash(crash)
                disk = try harness.store.attach(id)
            }
            #expect(try disk.bytes() == expected, "after \(seed)")
        }
        try harness.store.close()
    }

    /// A recycled chunk is blank: no entry of its earlier life stands behind the log's end.
    @Test func theSlotTableOfARecycledChunkIsBlank() throws {
        let rig = try Rig()
        for seed in 1..<4 { _ = try rig.overwrite(seed: UInt64(seed)) }
        let (disk, before) = (rig.disk, rig.recycled)
        let lane = disk.monitor.withLock { disk.manifest.lane }
        for _ in 0..<4 * 64 {
            try disk.put(pattern(4096, seed: 9), at: 0)
            let sequences = try disk.lineage.store.sequences(disk.lineage.id, lane: lane)
            let newest = ChunkNumber(lane: lane, sequence: try #require(sequences.last))
            let end = try #require(disk.monitor.withLock { disk.log.position })
            let file = try disk.lineage.openHeader(newest).1
            #expect(try file.firstUsedSlot(from: end.chunk == newest ? end.slot : 0) == nil)
        }
        #expect(rig.recycled > before, "there is something to look at")
        try rig.store.close()
    }

    /// Where a chunk cannot be recycled a new one is made; writers see nothing of it.
    @Test(arguments: [Fault.Effect.none, .half])
    func aFailedRecyclingIsNobodysFailure(_ effect: Fault.Effect) throws {
        let rig = try Rig()
        for seed in 1..<4 { _ = try rig.overwrite(seed: UInt64(seed)) }
        #expect(rig.recycled > 0, "there is something to fail")
        rig.faulty.arm(Fault([.recycleFile], isLasting: true, effect: effect))
        for seed in 4..<7 {
            let expected = try rig.overwrite(seed: UInt64(seed))
            #expect(try rig.disk.bytes() == expected)
        }
        #expect(rig.chunks <= 2 * Self.blocks / 64 + 4, "\(rig.chunks)")
        try rig.store.close()
    }

    /// Who discards wants the space back, and who detaches leaves nothing that waits.
    @Test func whatIsDiscardedIsNotKept() throws {
        let rig = try Rig()
        for seed in 1..<4 { _ = try rig.overwrite(seed: UInt64(seed)) }
        try rig.disk.discard(at: 0, length: UInt64(Self.blocks * 4096))
        for _ in 0..<2 {
            for _ in 0..<2 { _ = try rig.disk.checkpoint() }
            rig.store.reclaimer.request(rig.disk.lineage.id, walking: false)
            rig.store.reclaimer.waitUntilIdle()
        }
        #expect(rig.disk.lineage.spares.slots == 0)
        #expect(rig.chunks <= 4, "\(rig.chunks)")
        try rig.store.close()
    }

    @Test func aDetachLeavesNoSpares() throws {
        let rig = try Rig()
        for seed in 1..<4 { _ = try rig.overwrite(seed: UInt64(seed)) }
        let lineage = rig.disk.lineage
        let spares = lineage.spares.slots / 64
        let before = rig.chunks
        #expect(spares > 0, "there is something to leave")
        try rig.store.detach(rig.disk.id)
        #expect(lineage.spares.slots == 0)
        #expect(rig.chunks <= before - spares + 1, "\(before) to \(rig.chunks)")
        try rig.store.close()
    }

    @Test func asManyAreKeptAsWereUsedUpAndThereIsRoomFor() {
        let spares = SpareChunks(threads: SystemThreads())
        func number(_ sequence: UInt32) -> ChunkNumber { ChunkNumber(lane: 1, sequence: sequence) }
        for _ in 0..<3 { #expect(spares.take(slots: 64) == nil) }
        #expect(spares.beginPass(room: 130).isEmpty)
        #expect(spares.keep(number(1), slots: 64))
        #expect(spares.keep(number(2), slots: 64))
        #expect(!spares.keep(number(3), slots: 64))
        #expect(spares.keep(number(2), slots: 64), "it is kept already")
        #expect(spares.take(slots: 32) == nil)
        #expect(spares.take(slots: 64) == number(1))
        #expect(spares.beginPass(room: 0).map(\.number) == [number(2)])
        #expect(!spares.keep(number(4), slots: 64))
        #expect(spares.slots == 0)
    }
}
