import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// What is dead is given back, and nothing else.
@Suite struct ReclamationTests {
    private static let blocks = 256

    private func put(_ disk: Disk, _ blocks: some Sequence<Int>, _ seed: UInt64) throws {
        for block in blocks {
            try disk.put(pattern(4096, seed: seed << 32 | UInt64(block)), at: UInt64(block) * 4096)
        }
    }

    /// Bytes that the chunks take.
    private func taken(_ harness: Harness) throws -> Int {
        try harness.chunkFiles.reduce(0) {
            guard let file = try? harness.files.openFile(harness.file($1)) else { return $0 }
            return try $0 + Int(file.size().allocated)
        }
    }

    private func walkedCount(_ harness: Harness, _ lineage: LineageID) throws -> UInt64 {
        harness.store.reclaimer.waitUntilIdle()
        let before = harness.store.status().bytesReclaimed
        harness.store.reclaimer.request(lineage, walking: true)
        harness.store.reclaimer.waitUntilIdle()
        return harness.store.status().bytesReclaimed - before
    }

    /// What the disks tell is what a walk of the maps finds: after a pass that went by what they
    /// told, a walk has nothing to add.
    @Test func whatDisksTellIsWhatAWalkFinds() throws {
        let harness = try Harness(limits: Harness.reclaimingLimits)
        let disk = try harness.disk(UInt64(Self.blocks * 4096))
        let id = disk.lineage.id
        var generator = SeededGenerator(seed: 11)
        try put(disk, 0..<Self.blocks, 1)
        _ = try walkedCount(harness, id)
        for round in 2..<8 {
            let some = (0..<100).map { _ in Int.random(in: 0..<Self.blocks, using: &generator) }
            try put(disk, some, UInt64(round))
            try disk.discard(at: UInt64(round * 8192), length: 20_000)
            // Three: what died before the last but one cut is what a pass may take.
            for _ in 0..<3 { _ = try disk.checkpoint() }
            let told = try #require(try harness.store.reclaim(id, walking: false, isUrgent: true))
            let walked = try #require(try harness.store.reclaim(id, walking: true, isUrgent: true))
            #expect(told.bytes + harness.store.status().bytesReclaimed > 0)
            // The checkpoints of the walk themselves leave a slot or two.
            #expect(walked.bytes <= 4 * 4096, "round \(round): \(walked)")
        }
        try harness.store.close()
    }

    /// A snapshot keeps what it reaches, told or not, and gives it up with its deletion.
    @Test func aSnapshotKeepsWhatItReaches() throws {
        let harness = try Harness(limits: Harness.reclaimingLimits)
        let disk = try harness.disk(UInt64(Self.blocks * 4096))
        try put(disk, 0..<Self.blocks, 1)
        let snapshot = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        let content = try disk.bytes()
        for round in 2..<6 {
            try put(disk, 0..<Self.blocks, UInt64(round))
            harness.store.reclaimer.waitUntilIdle()
            let reader = try harness.store.openSnapshot(snapshot.id)
            #expect(try reader.bytes() == content)
            reader.close()
        }
        let kept = try taken(harness)
        #expect(kept >= 2 * content.count)
        try harness.store.deleteSnapshot(snapshot.id)
        harness.store.reclaimer.waitUntilIdle()
        #expect(try taken(harness) < kept - content.count * 3 / 4)
        try harness.store.close()
    }

    /// Discards are given back without another word.
    @Test func discardsAreGivenBackAtOnce() throws {
        let harness = try Harness(limits: Harness.reclaimingLimits)
        let disk = try harness.disk(4 << 20)
        try disk.put(pattern(4 << 20, seed: 4), at: 0)
        let full = try taken(harness)
        try disk.discard(at: 1 << 20, length: 3 << 20)
        harness.store.reclaimer.waitUntilIdle()
        #expect(try taken(harness) < full - (5 << 19))
        #expect(try disk.bytes(0, 1 << 20) == Array(pattern(4 << 20, seed: 4)[..<(1 << 20)]))
        try harness.store.close()
    }

    /// What waits at a detach is remembered by the next attach, also after a restart.
    @Test func whatWaitsIsGivenBackAfterARestart() throws {
        var limits = Harness.smallLimits
        limits.leastDiscardBlocks = 8
        let harness = try Harness(limits: limits)
        let id = try harness.disk(1 << 20).id
        try put(#require(harness.store.attached(id)), 0..<Self.blocks, 1)
        try put(#require(harness.store.attached(id)), 0..<Self.blocks, 2)
        try harness.reopen()
        let before = try taken(harness)
        let disk = try harness.store.attach(id)
        try disk.put(pattern(4096, seed: 5), at: 0)
        for _ in 0..<2 { _ = try disk.checkpoint() }
        harness.store.reclaimer.request(disk.lineage.id)
        harness.store.reclaimer.waitUntilIdle()
        let after = try taken(harness)
        #expect(after < before - (1 << 19), "\(before) to \(after)")
        try harness.store.close()
    }

    /// More deaths than there is memory for: the walk finds them.
    @Test func whatCannotBeKeptIsWalked() throws {
        let harness = try Harness(limits: Harness.reclaimingLimits)
        let disk = try harness.disk(16 << 20)
        try disk.put(pattern(16 << 20, seed: 6), at: 0)
        harness.store.reclaimer.waitUntilIdle()
        // No two of them side by side, so each is a run of its own.
        disk.monitor.withLock {
            let lane = UInt64(disk.manifest.lane) << 52
            for address in 0..<UInt64(200_000) { disk.map.deaths?.add(lane | address * 2) }
            #expect(disk.map.deaths?.isIncomplete == true)
        }
        try disk.put(pattern(8 << 20, seed: 7), at: 0)
        for _ in 0..<3 { _ = try disk.checkpoint() }
        harness.store.reclaimer.request(disk.lineage.id, walking: false)
        harness.store.reclaimer.waitUntilIdle()
        let spares = UInt64(disk.lineage.spares.slots * 4096)
        #expect(try walkedCount(harness, disk.lineage.id) < spares + 1 << 20)
        #expect(try taken(harness) < 21 << 20)
        #expect(try disk.bytes(0, 8 << 20) == pattern(8 << 20, seed: 7))
        try harness.store.close()
    }

    /// Memory for less than all chunks: the maps are walked part by part.
    @Test func aWalkInParts() throws {
        var limits = Harness.reclaimingLimits
        limits.chunksPerWalk = 16
        let harness = try Harness(limits: limits)
        let disk = try harness.disk(64 << 20)
        let id = disk.lineage.id
        try disk.put(pattern(48 << 20, seed: 8), at: 0)
        try disk.put(pattern(24 << 20, seed: 9), at: 12 << 20)
        for _ in 0..<3 { _ = try disk.checkpoint() }
        harness.store.reclaimer.request(id)
        harness.store.reclaimer.waitUntilIdle()
        #expect(!disk.lineage.space.isMarked)
        #expect(try taken(harness) < 90 << 20)
        #expect(try disk.bytes(12 << 20, 24 << 20) == pattern(24 << 20, seed: 9))
        try harness.store.close()
    }
}
