import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import LocalStore
import Scheduling
import Testing

@testable import DiskEngine

/// Work that nobody waits for leaves a store alone that would have to upload for it what it holds
/// back; what somebody waits for does not.
@Suite struct LullTests {
    private struct Rig {
        let busy = BusyStore(MemoryStore())
        let store: Store
        let disk: Disk

        init(_ limits: Limits = Harness.smallLimits) throws {
            try Store.create(in: busy, account: "tests", region: "here")
            store = try Store(
                opening: busy, keys: InMemoryKMS(), holder: "tests", limits: limits)
            let summary = try store.createDisk(
                encrypted: true, size: 4 << 20, attributes: [:])
            disk = try store.attach(summary.id)
        }

        /// Checkpoints that were taken.
        var version: UInt64 { disk.monitor.withLock { disk.manifestVersion } }

        func write(_ blocks: Int, seed: UInt64 = 1) throws {
            for block in 0..<blocks {
                try disk.put(pattern(4096, seed: seed), at: UInt64(block) * 4096)
            }
        }
    }

    /// A disk that was overwritten twice, and a pass that waits for a lull.
    private func overwritten() throws -> Rig {
        var limits = Harness.smallLimits
        limits.checkpointLogBlocks = 1 << 20
        limits.leastReclaimBlocks = 64
        let rig = try Rig(limits)
        rig.busy.isBusy = true
        for seed in 1..<4 { try rig.write(256, seed: UInt64(seed)) }
        eventually("the pass waits") { rig.busy.waiting == 1 }
        return rig
    }

    @Test func everyDecoratorHandsItOn() throws {
        let busy = BusyStore(MemoryStore())
        let time = HostTime()
        let stores: [any ChunkStore] = [
            MeteredStore(busy, time: time), FaultyStore(busy),
            RetryingStore(
                busy,
                policy: RetryPolicy(
                    attempts: 1, firstWait: .zero, longestWait: .zero, patience: .zero),
                time: time, random: { 0 }),
            PacedStore(busy, bytes: nil, calls: nil, time: time),
            RelievedStore(busy, budget: ChunkBudget(limit: 8, threads: SystemThreads())),
        ]
        let object = try #require(ObjectName("object"))
        for store in stores {
            store.awaitLull { true }
            _ = try store.replaceSelfContainedObject(object, with: [1], if: .always)
        }
        #expect(busy.calls == stores.count)
        #expect(busy.selfContained == stores.count, "a store may have to do less for these")
    }

    @Test func aCheckpointWaitsUntilTheLogIsTwiceAsLong() throws {
        let rig = try Rig()
        let before = rig.version
        rig.busy.isBusy = true
        try rig.write(310)
        eventually("it waits") { rig.busy.waiting == 1 }
        try rig.write(100)
        usleep(50_000)
        #expect(rig.busy.waiting == 1)
        #expect(rig.version == before)
        try rig.write(250)
        eventually("it is taken") { rig.version > before }
        #expect(rig.busy.isBusy)
        try rig.store.close()
    }

    @Test func aCheckpointIsTakenInALull() throws {
        let rig = try Rig()
        let before = rig.version
        rig.busy.isBusy = true
        try rig.write(310)
        eventually("it waits") { rig.busy.waiting == 1 }
        rig.busy.isBusy = false
        eventually("it is taken") { rig.version > before }
        try rig.store.close()
    }

    /// Of a snapshot and of detaching somebody waits for the end; and the checkpoint that was to
    /// be taken some time is done with.
    @Test func whatSomebodyWaitsForDoesNotWait() throws {
        let rig = try Rig()
        rig.busy.isBusy = true
        try rig.write(310)
        eventually("it waits") { rig.busy.waiting == 1 }
        let before = rig.version
        _ = try rig.store.createSnapshot(of: rig.disk.id, attributes: [:])
        let after = rig.version
        #expect(after > before)
        eventually("nothing is left to wait for") { rig.busy.waiting == 0 }
        #expect(rig.version == after, "one is enough")
        try rig.write(310, seed: 2)
        eventually("it waits again") { rig.busy.waiting == 1 }
        try rig.store.detach(rig.disk.id)
        #expect(rig.busy.waiting == 0)
        try rig.store.close()
    }

    @Test func whatWasOverwrittenIsGivenBackInALull() throws {
        let rig = try overwritten()
        #expect(rig.store.reclaimer.passesDone.done == 0)
        // A snapshot that is deleted lets one go that walks, and the other waits on.
        let snapshot = try rig.store.createSnapshot(of: rig.disk.id, attributes: [:])
        try rig.store.deleteSnapshot(snapshot.id)
        eventually("its space is looked for") { rig.store.reclaimer.passesDone.done >= 1 }
        rig.busy.isBusy = false
        rig.store.reclaimer.waitUntilIdle()
        #expect(try rig.disk.bytes(0, 4096) == pattern(4096, seed: 3))
        try rig.store.close()
    }

    /// Who has no space left does not wait for a lull, nor does who ends.
    @Test func whoNeedsSpaceGetsItAtOnce() throws {
        let rig = try overwritten()
        #expect(rig.store.reclaimer.findRoom(for: rig.disk.lineage.id, dead: 512))
        try rig.write(256, seed: 4)
        try rig.store.close()
        #expect(rig.busy.isBusy)
    }
}
