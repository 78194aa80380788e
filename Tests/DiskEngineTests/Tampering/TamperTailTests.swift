import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// The log's tail after a process was killed: no checkpoint stands behind it. A damaged slot is
/// damage if anything says that it was durable; else the log ends there, and the disk is exactly
/// the prefix before it.
@Suite struct TamperTailTests {
    private static let flushed = 12
    private static let total = 30

    /// A rig killed after `flushed` writes, a flush, and more writes; and the slots of all those.
    private func kill(_ rig: inout TamperRig) throws -> (MemoryStore, slots: [BlockAddress]) {
        let store = try rig.open(rig.files)
        let disk = try store.attach(rig.disk)
        var slots: [BlockAddress] = []
        for index in 0..<Self.total {
            let bytes = pattern(4096, seed: UInt64(1000 + index))
            try disk.put(bytes, at: UInt64(index * 4096))
            var extents: [Extent] = []
            disk.monitor.withLock {
                _ = disk.map.lookUp(UInt64(index)..<UInt64(index + 1), into: &extents)
            }
            slots.append(extents[0].address)
            if index + 1 == Self.flushed { try disk.flush() }
            rig.contents[rig.disk]!.replaceSubrange(
                index * 4096..<(index + 1) * 4096, with: bytes)
        }
        let killed = rig.files.copy()
        try store.close()
        return (killed, slots)
    }

    @Test(arguments: [true, false])
    func aDamagedTailIsDamageOrAPrefix(encrypted: Bool) throws {
        let untouched = try TamperRig(encrypted: encrypted)
        let before = try #require(untouched.contents[untouched.disk])
        var rig = untouched
        let (killed, slots) = try kill(&rig)
        #expect(rig.examine(killed.copy(), "killed").isClean)
        let layout = try #require(ChunkLayout(slotCount: 64))
        for (index, slot) in slots.enumerated() {
            let places = [
                Int(layout.entryOffset(of: slot.slot)), Int(layout.bodyOffset(of: slot.slot)) + 9,
            ]
            for place in places {
                let files = killed.copy()
                try files.flip(rig.chunkName(slot.chunk), byte: place, bit: index)
                var expected = rig
                expected.contents[rig.disk] =
                    Array(rig.contents[rig.disk]![..<(index * 4096)]) + before[(index * 4096)...]
                let finding = expected.examine(files, "write \(index)")
                // The writes after the flush carry the mark of how much was durable then.
                if index < Self.flushed {
                    #expect(finding.refused?.code == .damaged, "write \(index)")
                } else {
                    #expect(finding.isClean, "write \(index)")
                }
            }
        }
    }

    /// A chunk is gone from the middle of what a killed process logged.
    @Test(arguments: [true, false])
    func aChunkGoneFromTheMiddleIsDamage(encrypted: Bool) throws {
        var rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        let disk = try store.attach(rig.disk)
        var chunks: [ChunkNumber] = []
        for index in 0..<200 {
            let bytes = pattern(4096, seed: UInt64(2000 + index))
            try disk.put(bytes, at: UInt64(index * 4096))
            rig.contents[rig.disk]!.replaceSubrange(
                index * 4096..<(index + 1) * 4096, with: bytes)
            let chunk = try #require(disk.monitor.withLock { disk.log.position?.chunk })
            if chunks.last != chunk { chunks.append(chunk) }
        }
        let killed = rig.files.copy()
        try store.close()
        try #require(chunks.count > 3)
        for chunk in chunks[1..<(chunks.count - 1)] {
            let files = killed.copy()
            try files.remove(rig.chunkName(chunk))
            let finding = rig.examine(files, "without \(chunk)")
            #expect(finding.refused?.code == .damaged, "without \(chunk)")
        }
    }

    /// Every suffix of the tail is lost: the disk is the prefix, or its loss is noticed.
    @Test(arguments: [true, false])
    func aTailCutOffIsDamageOrAPrefix(encrypted: Bool) throws {
        let untouched = try TamperRig(encrypted: encrypted)
        let before = try #require(untouched.contents[untouched.disk])
        var rig = untouched
        let (killed, slots) = try kill(&rig)
        let layout = try #require(ChunkLayout(slotCount: 64))
        for (index, slot) in slots.enumerated() where index >= Self.flushed {
            let files = killed.copy()
            for lost in slots[index...] {
                try files.mutateFile(
                    rig.chunkName(lost.chunk), at: layout.entryOffset(of: lost.slot),
                    count: Format.entrySize
                ) { $0 = Array(repeating: 0, count: $0.count) }
            }
            var expected = rig
            expected.contents[rig.disk] =
                Array(rig.contents[rig.disk]![..<(index * 4096)]) + before[(index * 4096)...]
            #expect(expected.examine(files, "cut off at \(slot)").isClean, "cut off at \(slot)")
        }
    }
}
