import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// Differences between snapshots, and what each alone holds.
@Suite struct MapDiffTests {
    private static let blocks = 1400

    /// What `changes` says, put together over pages of few changes each.
    private func changes(_ newer: SnapshotReader, since older: SnapshotReader?) throws
        -> [SnapshotChange]
    {
        var all: [SnapshotChange] = []
        var offset: UInt64? = 0
        while let from = offset {
            let (some, next) = try newer.changes(since: older, from: from, limit: 3)
            all += some
            offset = next
        }
        return all
    }

    private func blocks(_ reader: SnapshotReader) throws -> [ArraySlice<UInt8>] {
        let bytes = try reader.bytes()
        return stride(from: 0, to: bytes.count, by: 4096).map { bytes[$0..<$0 + 4096] }
    }

    /// What is told is what the two maps have at different addresses, block by block.
    private func checkExactly(_ older: SnapshotReader?, _ newer: SnapshotReader) throws {
        func addresses(_ reader: SnapshotReader?) throws -> [BlockAddress] {
            guard let reader = reader?.reader else { return [] }
            return try (0..<UInt64(Self.blocks + 700)).map { block in
                var extents: [Extent] = []
                try reader.monitor.withLock {
                    try reader.planned { $0.lookUp(block..<block + 1, into: &extents) }
                }
                return extents[0].address
            }
        }
        let (old, new) = (try addresses(older), try addresses(newer))
        let differ = (0..<Int(newer.size / 4096)).filter {
            new[$0] != (old.isEmpty ? .hole : old[$0])
        }
        let told = try changes(newer, since: older).flatMap {
            Array(Int($0.offset / 4096)..<Int(($0.offset + $0.length) / 4096))
        }
        #expect(told == differ)
    }

    /// Every block whose content differs is told, and what is told was written in between; the
    /// changes applied to the older one give the newer.
    private func check(_ older: SnapshotReader?, _ newer: SnapshotReader, _ what: String) throws {
        let new = try blocks(newer)
        var old = try older.map(blocks) ?? []
        let zeros = ArraySlice([UInt8](repeating: 0, count: 4096))
        old = Array((old + Array(repeating: zeros, count: new.count)).prefix(new.count))
        var end: UInt64 = 0
        for change in try changes(newer, since: older) {
            #expect(change.offset >= end && change.length > 0, "\(what)")
            end = change.offset + change.length
            for block in change.offset / 4096..<end / 4096 {
                if change.isHole { #expect(new[Int(block)].allSatisfy { $0 == 0 }) }
                old[Int(block)] = new[Int(block)]
            }
        }
        #expect(zip(old, new).allSatisfy { $0.elementsEqual($1) }, "\(what)")
    }

    @Test(arguments: [true, false], 1...4 as ClosedRange<UInt64>)
    func randomHistories(encrypted: Bool, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let harness = try Harness(limits: Harness.reclaimingLimits)
        var disk = try harness.disk(UInt64(Self.blocks * 4096), encrypted: encrypted)
        var ids: [SnapshotID] = []
        for round in 0..<7 {
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                let first = Int.random(in: 0..<Self.blocks, using: &generator)
                let count = Int.random(in: 1...min(60, Self.blocks - first), using: &generator)
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    try disk.discard(at: UInt64(first * 4096), length: UInt64(count * 4096))
                } else {
                    try disk.put(
                        pattern(count * 4096, seed: generator.next()), at: UInt64(first * 4096))
                }
            }
            if round == 3 {
                try harness.store.resize(disk.id, to: UInt64((Self.blocks + 600) * 4096))
            }
            if round == 4 { try harness.store.reset(disk.id, to: ids[1]) }
            ids.append(try harness.store.createSnapshot(of: disk.id, attributes: [:]).id)
            if round == 5 {
                let clone = try harness.store.createDisk(
                    from: ids[2], size: UInt64((Self.blocks + 700) * 4096), attributes: [:])
                disk = try harness.store.attach(clone.id)
            }
        }
        try harness.store.deleteSnapshot(ids.remove(at: 3))
        harness.store.reclaimer.waitUntilIdle()
        let readers = try ids.map { try harness.store.openSnapshot($0) }
        for newer in readers {
            try check(nil, newer, "seed \(seed)")
            try checkExactly(nil, newer)
            for older in readers {
                try check(older, newer, "seed \(seed)")
                try checkExactly(older, newer)
            }
            #expect(try changes(newer, since: newer).isEmpty)
        }
        for reader in readers { reader.close() }
        try harness.store.close()
    }

    /// One block of a large map: a path of pages is read of each, and no more.
    @Test func equalSubtreesAreNotRead() throws {
        let harness = try Harness()
        let disk = try harness.disk(8 << 30)
        for gibibyte in 0..<8 {
            for part in 0..<4 {
                try disk.put(
                    pattern(4096, seed: 1), at: UInt64(gibibyte) << 30 + UInt64(part) << 28)
            }
        }
        let a = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
        try disk.put(pattern(4096, seed: 2), at: 5 << 30)
        let b = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
        let (older, newer) = (try harness.store.openSnapshot(a), try harness.store.openSnapshot(b))
        let found = try newer.changes(since: older, limit: 100)
        #expect(
            found.changes == [SnapshotChange(offset: 5 << 30, length: 4096, isHole: false)])
        #expect(found.next == nil)
        #expect(newer.reader.residentPages == 4)
        #expect(older.reader.residentPages == 4)
        older.close()
        newer.close()
        try harness.store.close()
    }

    @Test func lineagesHaveNothingInCommon() throws {
        let harness = try Harness()
        let readers = try (0..<2).map { _ in
            let disk = try harness.disk()
            try disk.put(pattern(4096, seed: 1), at: 0)
            return try harness.store.openSnapshot(
                harness.store.createSnapshot(of: disk.id, attributes: [:]).id)
        }
        #expect(
            diskErrorCode { _ = try readers[0].changes(since: readers[1], limit: 1) } == .invalid)
        for reader in readers { reader.close() }
        try harness.store.close()
    }

    /// A disk alone holds the blocks it changed since its snapshot, and the pages above them.
    @Test func exclusiveOfADiskIsWhatItChanged() throws {
        let harness = try Harness()
        let disk = try harness.disk(4 << 20)
        try disk.put(pattern(120 * 4096, seed: 1), at: 0)
        _ = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        #expect(try harness.store.exclusiveBytes(of: disk.id) == 0)
        try disk.put(pattern(7 * 4096, seed: 2), at: 40 * 4096)
        try disk.checkpoint()
        let pages = UInt64(MapGeometry.rootLevel) + 1
        #expect(try harness.store.exclusiveBytes(of: disk.id) == (7 + pages) * 4096)
        try harness.store.detach(disk.id)
        #expect(
            diskErrorCode { _ = try harness.store.exclusiveBytes(of: disk.id) } == .keyRequired)
        try harness.store.close()
    }

    /// Damage of a map page that the comparison needs is an error, whichever of the two it is in;
    /// never a difference that is not told.
    @Test(arguments: [true, false], [true, false])
    func damageOnEitherSideIsTold(encrypted: Bool, inTheNewer: Bool) throws {
        let harness = try Harness()
        let disk = try harness.disk(4 << 20, encrypted: encrypted)
        try disk.put(pattern(300 * 4096, seed: 1), at: 0)
        let older = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        try disk.put(pattern(4096, seed: 2), at: 40 * 4096)
        let newer = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        let (a, b) = (
            try harness.store.openSnapshot(older.id), try harness.store.openSnapshot(newer.id)
        )
        defer {
            a.close()
            b.close()
            try? harness.store.close()
        }
        let root = (inTheNewer ? b : a).reader.tree.rootAddress
        let chunk = ObjectName(StoreLayout.chunk(disk.lineage.id, root.chunk))!  // valid
        let place = Int(disk.layout.bodyOffset(of: root.slot))
        try harness.files.flip(chunk, byte: place)
        #expect(diskErrorCode { _ = try b.changes(since: a, limit: 10) } == .damaged)
        #expect(diskErrorCode { _ = try a.changes(since: b, limit: 10) } == .damaged)
        // Nothing of it is remembered once the medium is well.
        try harness.files.flip(chunk, byte: place)
        #expect(
            try b.changes(since: a, limit: 10).changes
                == [SnapshotChange(offset: 40 * 4096, length: 4096, isHole: false)])
    }

    /// A disk that was put back to a snapshot shares all of it: neither holds anything alone.
    @Test func exclusiveAfterAReset() throws {
        let harness = try Harness()
        let disk = try harness.disk(4 << 20)
        try disk.put(pattern(120 * 4096, seed: 1), at: 0)
        let first = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
        try disk.put(pattern(30 * 4096, seed: 2), at: 10 * 4096)
        let second = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
        try harness.store.reset(disk.id, to: first)
        for _ in 0..<2 { try disk.checkpoint() }
        let pages = UInt64(MapGeometry.rootLevel) + 1
        #expect(try harness.store.exclusiveBytes(of: disk.id) == 0)
        #expect(try harness.store.exclusiveBytes(of: first) == 0)
        #expect(try harness.store.exclusiveBytes(of: second) == (30 + pages) * 4096)
        try disk.put(pattern(5 * 4096, seed: 3), at: 20 * 4096)
        for _ in 0..<2 { try disk.checkpoint() }
        #expect(try harness.store.exclusiveBytes(of: disk.id) == (5 + pages) * 4096)
        #expect(try harness.store.exclusiveBytes(of: first) == (5 + pages) * 4096)
        try harness.store.close()
    }

    /// What a snapshot alone holds is what the store gives back when it goes.
    @Test func exclusiveIsWhatADeletionGivesBack() throws {
        let harness = try Harness(limits: Harness.reclaimingLimits)
        let disk = try harness.disk(4 << 20)
        var ids: [SnapshotID] = []
        for round in 0..<5 {
            try disk.put(
                pattern(120 * 4096, seed: UInt64(round)), at: UInt64(round * 60 * 4096))
            ids.append(try harness.store.createSnapshot(of: disk.id, attributes: [:]).id)
        }
        _ = try harness.store.createDisk(from: ids[1], size: 4 << 20, attributes: [:])
        // A disk made from it holds all of it.
        #expect(try harness.store.exclusiveBytes(of: ids[1]) == 0)
        try disk.discard(at: 0, length: 4 << 20)
        // So that no chunk with a block of a snapshot is one that recovery would need.
        try disk.put(pattern(200 * 4096, seed: 9), at: 0)
        for _ in 0..<3 { _ = try disk.checkpoint() }
        harness.store.reclaimer.waitUntilIdle()
        for id in [ids[3], ids[0], ids[4]] {
            _ = try harness.store.reclaim(disk.lineage.id, isUrgent: true)
            let exclusive = try harness.store.exclusiveBytes(of: id)
            let before = harness.store.status().bytesReclaimed
            try harness.store.deleteSnapshot(id)
            harness.store.reclaimer.waitUntilIdle()
            let rest = try #require(try harness.store.reclaim(disk.lineage.id, isUrgent: true))
            let given = harness.store.status().bytesReclaimed - before + rest.bytes
            // Checkpoints that were taken meanwhile leave some pages, and entries go with slots.
            #expect(exclusive > 0)
            #expect(
                given >= exclusive && given <= exclusive + 32 * 4096, "\(exclusive): \(given)")
        }
        try harness.store.close()
    }
}
