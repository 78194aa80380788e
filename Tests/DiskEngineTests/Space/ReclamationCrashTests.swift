import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// The process dies, or power fails, at every call that a pass makes of the store.
@Suite struct ReclamationCrashTests {
    private static let blocks = 192

    private static var limits: Limits {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 32
        // Passes are made by the test alone.
        limits.leastReclaimBlocks = 1 << 40
        limits.mostReclaimBlocks = 1 << 40
        limits.leastDiscardBlocks = 1 << 40
        return limits
    }

    private struct Rig {
        let memory = MemoryStore()
        let files: FaultyStore
        let keys = InMemoryKMS()
        let store: Store
        let disk: Disk
        let snapshot: SnapshotSummary
        let content: [UInt8]
        let kept: [UInt8]

        /// A disk with a snapshot and a clone of another that is gone, all overwritten in part.
        init() throws {
            files = FaultyStore(memory)
            try Store.create(in: files, account: "a", region: "r")
            store = try Store(opening: files, keys: keys, holder: "t", limits: limits)
            let size = UInt64(blocks * 4096)
            disk = try store.attach(
                store.createDisk(encrypted: true, size: size, attributes: [:]).id)
            try disk.put(pattern(blocks * 4096, seed: 1), at: 0)
            let gone = try store.createSnapshot(of: disk.id, attributes: [:])
            let clone = try store.createDisk(from: gone.id, size: size, attributes: [:])
            try store.attach(clone.id).put(pattern(40 * 4096, seed: 2), at: 0)
            try disk.put(pattern(90 * 4096, seed: 3), at: 4096)
            snapshot = try store.createSnapshot(of: disk.id, attributes: [:])
            kept = try disk.bytes()
            store.reclaimer.waitUntilIdle()
            try store.detach(clone.id)
            try store.deleteDisk(clone.id)
            try store.deleteSnapshot(gone.id)
            store.reclaimer.waitUntilIdle()
            // Twice: what the first has written is nobody's when the second is done.
            for seed in [5, 4] {
                try disk.put(pattern(60 * 4096, seed: UInt64(seed)), at: 70 * 4096)
            }
            try disk.discard(at: 0, length: 20 * 4096)
            content = try disk.bytes()
            try disk.flush()
            store.reclaimer.waitUntilIdle()
        }

        /// The pass whose calls are counted: by what the disk told, or by a walk.
        func pass(walking: Bool) {
            _ = try? store.reclaim(disk.lineage.id, walking: walking, isUrgent: true)
        }
    }

    @Test(arguments: [true, false], Harness.Crash.allCases)
    func everyCallOfAPass(walking: Bool, crash: Harness.Crash) throws {
        let calm = try Rig()
        let before = calm.files.count(of: Set(StoreOperation.allCases))
        calm.pass(walking: walking)
        let calls = calm.files.count(of: Set(StoreOperation.allCases)) - before
        try calm.store.close()
        #expect(calls > 20)
        for call in stride(from: 1, through: calls, by: 2) {
            let rig = try Rig()
            rig.files.arm(Fault(Set(StoreOperation.allCases), call: call, isLasting: true))
            rig.pass(walking: walking)
            let left = rig.memory.copy()
            if crash == .powerCut { left.crash() }
            rig.files.disarm()
            try? rig.store.close()
            try check(left, rig, "call \(call) of \(calls)")
        }
    }

    /// The medium fails under the checkpoints of a pass, whose cut was made: what died before it
    /// lives in what a power cut leaves.
    @Test func aPassWhoseCheckpointsFailTakesNothing() throws {
        let memory = MemoryStore()
        let (files, keys) = (FaultyStore(memory), InMemoryKMS())
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(opening: files, keys: keys, holder: "t", limits: Self.limits)
        let disk = try store.attach(
            store.createDisk(
                encrypted: true, size: UInt64(Self.blocks * 4096), attributes: [:]
            ).id)
        let old = pattern(Self.blocks * 4096, seed: 1)
        try disk.put(old, at: 0)
        for _ in 0..<2 { try disk.checkpoint() }
        // The bound of what died is found by a walk.
        _ = try store.reclaim(disk.lineage.id, walking: true, isUrgent: true)
        let new = pattern(Self.blocks * 4096, seed: 2)
        try disk.put(new, at: 0)
        files.arm(Fault([.synchronize], isLasting: true))
        let result = try? store.reclaim(disk.lineage.id, walking: false, isUrgent: true)
        #expect(result?.chunks ?? 0 == 0)
        let left = memory.copy()
        left.crash()
        files.disarm()
        try? store.close()
        let after = try Store(opening: left, keys: keys, holder: "t", limits: Self.limits)
        let found = try after.attach(disk.id).bytes()
        for start in stride(from: 0, to: found.count, by: 4096) {
            let block = found[start..<start + 4096]
            #expect(block == old[start..<start + 4096] || block == new[start..<start + 4096])
        }
        try after.close()
    }

    enum Deleted: String, CaseIterable {
        case snapshot, disk, both

        var isOfDisk: Bool { self != .snapshot }
        var isOfSnapshot: Bool { self != .disk }
    }

    /// What was being deleted is there whole or gone; nothing else is touched, and nothing is left
    /// behind that no deletion takes.
    @Test(arguments: Deleted.allCases, Harness.Crash.allCases)
    func everyCallOfADeletion(of deleted: Deleted, crash: Harness.Crash) throws {
        func delete(_ rig: Rig) {
            if deleted.isOfDisk { try? rig.store.deleteDisk(rig.disk.id) }
            if deleted.isOfSnapshot { try? rig.store.deleteSnapshot(rig.snapshot.id) }
            rig.store.reclaimer.waitUntilIdle()
        }
        func makeRig() throws -> Rig {
            let rig = try Rig()
            if deleted.isOfDisk { try rig.store.detach(rig.disk.id) }
            rig.store.reclaimer.waitUntilIdle()
            return rig
        }
        let calm = try makeRig()
        let before = calm.files.count(of: Set(StoreOperation.allCases))
        delete(calm)
        let calls = calm.files.count(of: Set(StoreOperation.allCases)) - before
        try calm.store.close()
        #expect(calls > 3)
        var outcomes: Set<Bool> = []
        for call in 1...calls {
            let rig = try makeRig()
            rig.files.arm(Fault(Set(StoreOperation.allCases), call: call, isLasting: true))
            delete(rig)
            let left = rig.memory.copy()
            if crash == .powerCut { left.crash() }
            rig.files.disarm()
            try? rig.store.close()
            let isThere = try check(left, rig, deleted, "call \(call) of \(calls)")
            outcomes.insert(isThere)
        }
        #expect(outcomes == [true, false], "no crash came before, or none after, the deletion")
    }

    /// Whether what was being deleted is still there.
    private func check(_ left: MemoryStore, _ rig: Rig, _ deleted: Deleted, _ what: String) throws
        -> Bool
    {
        let store = try Store(opening: left, keys: rig.keys, holder: "t", limits: Self.limits)
        let hasDisk = (try? store.disk(rig.disk.id)) != nil
        let hasSnapshot = (try? store.snapshot(rig.snapshot.id)) != nil
        #expect(hasDisk || deleted.isOfDisk, "\(what)")
        #expect(hasSnapshot || deleted.isOfSnapshot, "\(what)")
        if hasDisk {
            let disk = try store.attach(rig.disk.id)
            #expect(try disk.bytes() == rig.content, "\(what)")
            try store.detach(disk.id)
        }
        if hasSnapshot {
            let clone = try store.createDisk(
                from: rig.snapshot.id, size: UInt64(Self.blocks * 4096), attributes: [:])
            #expect(try store.attach(clone.id).bytes() == rig.kept, "\(what)")
            try store.detach(clone.id)
            try store.deleteDisk(clone.id)
            try store.deleteSnapshot(rig.snapshot.id)
        }
        if hasDisk { try store.deleteDisk(rig.disk.id) }
        store.reclaimer.waitUntilIdle()
        try store.close()
        let names = left.names.filter { $0.hasPrefix(StoreLayout.lineages) }
        #expect(names.isEmpty, "\(what): \(names.prefix(3))")
        return deleted.isOfDisk ? hasDisk : hasSnapshot
    }

    private func check(_ left: MemoryStore, _ rig: Rig, _ what: String) throws {
        let store = try Store(opening: left, keys: rig.keys, holder: "t", limits: Self.limits)
        let disk = try store.attach(rig.disk.id)
        #expect(try disk.bytes() == rig.content, "\(what)")
        _ = try store.reclaim(disk.lineage.id, walking: true, isUrgent: true)
        #expect(try disk.bytes() == rig.content, "\(what), after another pass")
        let reader = try store.openSnapshot(rig.snapshot.id)
        #expect(try reader.bytes() == rig.kept, "\(what)")
        reader.close()
        try store.deleteSnapshot(rig.snapshot.id)
        try store.detach(disk.id)
        try store.deleteDisk(disk.id)
        try store.close()
        let names = left.names.filter { $0.hasPrefix(StoreLayout.lineages) }
        #expect(names.isEmpty, "\(what)")
    }
}
