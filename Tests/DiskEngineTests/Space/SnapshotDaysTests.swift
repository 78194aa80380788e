import DiskFormat
import Testing

@testable import DiskEngine

/// Months of snapshots, hour by hour, with the usual rules of what is kept: every one shows what
/// the disk was, and the store holds what they hold, not what there ever was.
@Suite struct SnapshotDaysTests {
    private static let blocks = 256

    private struct Kept {
        let hour: Int
        let id: SnapshotID
        let content: [UInt8]
    }

    /// The last day's, one a day for a week, one a week from then on.
    private static func isKept(_ snapshot: Kept, at hour: Int) -> Bool {
        let age = hour - snapshot.hour
        if age < 24 { return snapshot.hour.isMultiple(of: 4) }
        return age < 7 * 24
            ? snapshot.hour.isMultiple(of: 24) : snapshot.hour.isMultiple(of: 7 * 24)
    }

    @Test(arguments: UInt64(1)...3) func whatIsKeptIsWhatItWas(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let harness = try Harness(limits: Harness.reclaimingLimits)
        var disk = try harness.disk(UInt64(Self.blocks * 4096))
        let id = disk.id
        var content = [UInt8](repeating: 0, count: Self.blocks * 4096)
        var kept: [Kept] = []
        var most = 0
        for hour in 0..<60 * 24 {
            for _ in 0..<3 {
                let block = Int.random(in: 0..<Self.blocks - 4, using: &generator)
                let bytes = pattern(
                    4096 * Int.random(in: 1...4, using: &generator), seed: generator.next())
                try disk.put(bytes, at: UInt64(block * 4096))
                content.replaceSubrange(block * 4096..<block * 4096 + bytes.count, with: bytes)
            }
            if hour.isMultiple(of: 4) {
                kept.append(
                    Kept(
                        hour: hour,
                        id: try harness.store.createSnapshot(of: id, attributes: [:]).id,
                        content: content))
            }
            for old in kept where !Self.isKept(old, at: hour) {
                try harness.store.deleteSnapshot(old.id)
            }
            kept.removeAll { !Self.isKept($0, at: hour) }
            if hour % 240 == 239 { try harness.reopen() }
            if hour % 24 == 23 {
                disk = try harness.store.attached(id) ?? harness.store.attach(id)
                harness.store.reclaimer.waitUntilIdle()
                most = max(most, harness.chunkFiles.count)
                let old = try #require(kept.randomElement(using: &generator))
                let reader = try harness.store.openSnapshot(old.id)
                let isSame = try reader.bytes() == old.content
                #expect(isSame, "seed \(seed), hour \(hour): the snapshot of hour \(old.hour)")
                reader.close()
            } else if harness.store.attached(id) == nil {
                disk = try harness.store.attach(id)
            }
        }
        for old in kept {
            let reader = try harness.store.openSnapshot(old.id)
            let isSame = try reader.bytes() == old.content
            #expect(isSame, "seed \(seed): the snapshot of hour \(old.hour)")
            reader.close()
        }
        #expect(try disk.bytes() == content, "seed \(seed)")
        // 4,000 writes and 360 snapshots were made; sessions and chunks tell of what is left.
        let sessions = disk.lineage.withManifest { $0.sessions.count }
        #expect(sessions < 40, "seed \(seed): \(sessions) sessions")
        let live = (kept.count + 1) * Self.blocks / 64
        #expect(most <= 3 * live, "seed \(seed): \(most) chunks for \(live) full ones at most")
        for old in kept { try harness.store.deleteSnapshot(old.id) }
        try harness.store.detach(id)
        try harness.store.deleteDisk(id)
        harness.store.reclaimer.waitUntilIdle()
        let left = harness.files.names.filter { $0 != "store.json" && $0 != "reserve" }
        #expect(left.isEmpty, "seed \(seed): \(left)")
        try harness.store.close()
    }
}
