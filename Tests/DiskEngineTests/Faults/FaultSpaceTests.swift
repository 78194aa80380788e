import ChunkStore
import DiskFormat
import Glibc
import Testing

@testable import DiskEngine

/// A full store: data gets `.noSpace`, everything that frees goes on, and room is found again.
@Suite struct FaultSpaceTests {
    static let mebibyte = 1 << 20

    /// Writes 1 MiB pieces until there is no room; returns what the disk must hold.
    static func fill(_ disk: Disk) throws -> [UInt8] {
        var content = [UInt8](repeating: 0, count: Int(disk.size))
        for piece in 0..<content.count / mebibyte {
            let range = piece * mebibyte..<(piece + 1) * mebibyte
            let bytes = pattern(mebibyte, seed: UInt64(piece + 1))
            let code = diskErrorCode { try disk.put(bytes, at: UInt64(range.lowerBound)) }
            guard code != nil else {
                content.replaceSubrange(range, with: bytes)
                continue
            }
            #expect(code == .noSpace, "piece \(piece)")
            // A part of the piece may be there: each block is whole, or was never written.
            let found = try disk.bytes(UInt64(range.lowerBound), mebibyte)
            for block in 0..<256 {
                let part = found[block * 4096..<(block + 1) * 4096]
                let isWhole = part == bytes[block * 4096..<(block + 1) * 4096]
                #expect(isWhole || part.allSatisfy { $0 == 0 }, "piece \(piece), block \(block)")
            }
            content.replaceSubrange(range, with: found)
            return content
        }
        Issue.record("the store never was full")
        return content
    }

    /// Writes the same MiB again and again until it succeeds, as far as reclamation runs behind.
    static func canWriteAgain(_ harness: FaultHarness, _ disk: Disk) -> Bool {
        let bytes = pattern(mebibyte, seed: 77)
        for _ in 0..<4 {
            harness.store.reclaimer.waitUntilIdle()
            if diskErrorCode({ try disk.put(bytes, at: 0) }) == nil { return true }
        }
        return false
    }

    @Test(arguments: [true, false]) func whatIsThereStays(encrypted: Bool) throws {
        let harness = try FaultHarness(encrypted: encrypted, size: 32 << 20, capacity: 12 << 20)
        let content = try Self.fill(harness.disk)
        #expect(content.count { $0 != 0 } > 4 << 20, "hardly anything fitted")
        #expect(try harness.disk.bytes() == content)
        try harness.disk.flush()
        let (cut, left) = try harness.afterPowerCut()
        #expect(try left.bytes() == content)
        try cut.close()
        try harness.store.detach(harness.disk.id)
        #expect(try harness.store.attach(harness.disk.id).bytes() == content)
        try harness.store.close()
    }

    /// Who only writes data leaves the reserve whole for what frees space.
    @Test func dataTakesNothingOfTheReserve() throws {
        let harness = try FaultHarness(size: 32 << 20, capacity: 12 << 20)
        let whole = harness.store.status().reserveBytes
        #expect(whole > 0)
        _ = try Self.fill(harness.disk)
        for _ in 0..<3 {
            let bytes = [UInt8](repeating: 9, count: Self.mebibyte)
            #expect(diskErrorCode { try harness.disk.put(bytes, at: 31 << 20) } == .noSpace)
            #expect(harness.store.status().reserveBytes == whole)
        }
        try harness.store.close()
    }

    /// fstrim on a full store: the discards themselves need room, and get it.
    @Test func discardsWorkOnAFullStore() throws {
        let harness = try FaultHarness(size: 32 << 20, capacity: 12 << 20)
        var content = try Self.fill(harness.disk)
        for start in stride(from: 0, to: 6 << 20, by: 64 << 10) {
            try harness.disk.discard(at: UInt64(start), length: 32 << 10)
            content.replaceSubrange(
                start..<start + 32 << 10, with: repeatElement(0, count: 32 << 10))
        }
        try harness.disk.flush()
        #expect(try harness.disk.bytes() == content)
        let (cut, left) = try harness.afterPowerCut()
        #expect(try left.bytes() == content)
        try cut.close()
        try harness.store.close()
    }

    /// While a manifest or a checkpoint borrows the reserve, its space is free in the store; a data
    /// write at the same moment must not get it.
    @Test func dataCannotTakeWhatIsLent() throws {
        let harness = try FaultHarness(size: 32 << 20, capacity: 12 << 20)
        _ = try Self.fill(harness.disk)
        let disk = harness.disk
        let held = harness.store.status().reserveBytes
        let writer = harness.store.sealed.reserve.lend {
            let writer = startThread(name: "writer") {
                _ = diskErrorCode {
                    try disk.put([UInt8](repeating: 9, count: Self.mebibyte), at: 31 << 20)
                }
            }
            // Time for the write to try; too little of it would only miss the fault.
            usleep(50_000)
            return writer
        }
        writer.join()
        #expect(harness.store.status().reserveBytes >= held, "data took of the reserve")
        try harness.store.close()
    }

    @Test func deletingADiskFrees() throws {
        let harness = try FaultHarness(size: 32 << 20, capacity: 16 << 20)
        let other = try harness.store.createDisk(encrypted: true, size: 4 << 20, attributes: [:])
        // Nothing here may keep the disk: with it its files would stay open, and take room.
        func fillOther() throws {
            try harness.store.attach(other.id).put(pattern(4 << 20, seed: 5), at: 0)
        }
        try fillOther()
        try harness.store.detach(other.id)
        var content = try Self.fill(harness.disk)
        try harness.store.deleteDisk(other.id)
        #expect(Self.canWriteAgain(harness, harness.disk))
        content.replaceSubrange(0..<Self.mebibyte, with: pattern(Self.mebibyte, seed: 77))
        try harness.disk.flush()
        #expect(try harness.disk.bytes() == content)
        try harness.store.close()
    }

    @Test func deletingASnapshotFrees() throws {
        let harness = try FaultHarness(size: 6 << 20, capacity: 12 << 20)
        let (store, disk) = (harness.store, harness.disk)
        try disk.put(pattern(6 << 20, seed: 5), at: 0)
        let snapshot = try store.createSnapshot(of: disk.id, attributes: [:])
        // Over itself until the store is full: the snapshot keeps the first 6 MiB.
        var content = pattern(6 << 20, seed: 5)
        var code: DiskError.Code?
        for offset in stride(from: 0, to: 6 << 20, by: 4096) where code == nil {
            let block = pattern(4096, seed: UInt64(offset))
            code = diskErrorCode { try disk.put(block, at: UInt64(offset)) }
            if code == nil { content.replaceSubrange(offset..<offset + 4096, with: block) }
        }
        #expect(code == .noSpace)
        try store.deleteSnapshot(snapshot.id)
        #expect(Self.canWriteAgain(harness, disk))
        content.replaceSubrange(0..<Self.mebibyte, with: pattern(Self.mebibyte, seed: 77))
        #expect(try disk.bytes() == content)
        try store.close()
    }

    /// Nobody asks for it: what was overwritten is found when there is no space.
    @Test func overwritingNeverFillsAStoreThatHoldsTheDiskTwice() throws {
        let harness = try FaultHarness(size: 6 << 20, capacity: 14 << 20)
        for round in 0..<64 {
            let data = pattern(Self.mebibyte, seed: UInt64(round))
            try harness.disk.put(data, at: UInt64(round % 6) << 20)
        }
        for place in 0..<6 {
            let round = place < 4 ? 60 + place : 54 + place
            #expect(
                try harness.disk.bytes(UInt64(place) << 20, Self.mebibyte)
                    == pattern(Self.mebibyte, seed: UInt64(round)))
        }
        try harness.store.close()
    }

    @Test func discardingFrees() throws {
        let harness = try FaultHarness(size: 32 << 20, capacity: 12 << 20)
        let content = try Self.fill(harness.disk)
        #expect(content.count > 0)
        try harness.disk.discard(at: 0, length: 4 << 20)
        #expect(
            diskErrorCode {
                try harness.disk.put(pattern(3 << 20, seed: 9), at: 28 << 20)
            } == nil)
        #expect(try harness.disk.bytes(28 << 20, 3 << 20) == pattern(3 << 20, seed: 9))
        #expect(try harness.disk.bytes(4 << 20, 1 << 20) == Array(content[4 << 20..<5 << 20]))
        try harness.store.close()
    }

    /// Also where it is too little to ask for a pass, after a round that had found nothing.
    @Test func discardingALittleFreesAsMuch() throws {
        let harness = try FaultHarness(size: 32 << 20, capacity: 12 << 20)
        _ = try Self.fill(harness.disk)
        let block = pattern(4096, seed: 3)
        // What is left of the last chunk.
        var code: DiskError.Code?
        for index in 0..<UInt64(512) where code == nil {
            code = diskErrorCode { try harness.disk.put(block, at: 20 << 20 + index * 4096) }
        }
        #expect(code == .noSpace)
        try harness.disk.discard(at: 0, length: 255 * 4096)
        #expect(diskErrorCode { try harness.disk.put(block, at: 31 << 20) } == nil)
        #expect(try harness.disk.bytes(31 << 20, 4096) == block)
        try harness.store.close()
    }
}
