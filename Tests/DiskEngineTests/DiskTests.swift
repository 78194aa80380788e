import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

@Suite struct DiskTests {
    @Test(arguments: [true, false])
    func whatIsWrittenIsRead(encrypted: Bool) throws {
        let harness = try Harness()
        let disk = try harness.disk(encrypted: encrypted)
        #expect(try disk.bytes() == [UInt8](repeating: 0, count: 1 << 20))
        let data = pattern(300_000, seed: 1)
        try disk.put(data, at: 12_345)
        #expect(try disk.bytes(12_345, 300_000) == data)
        #expect(try disk.bytes(0, 12_345).allSatisfy { $0 == 0 })
        try disk.flush()
        try harness.reopen()
        let again = try harness.store.attach(disk.id)
        #expect(try again.bytes(12_345, 300_000) == data)
        #expect(try again.bytes(312_345, 1000).allSatisfy { $0 == 0 })
        try harness.store.close()
    }

    @Test(arguments: [true, false], Harness.Crash.allCases)
    func aFlushedWriteSurvives(encrypted: Bool, crash: Harness.Crash) throws {
        let harness = try Harness()
        let disk = try harness.disk(encrypted: encrypted)
        let data = pattern(1 << 20, seed: 2)
        try disk.put(data, at: 0)
        try disk.flush()
        try harness.crash(crash)
        let again = try harness.store.attach(disk.id)
        #expect(try again.bytes() == data)
        try harness.store.close()
    }

    @Test func discardsReadAsZerosAndFreeBlocks() throws {
        let harness = try Harness()
        let disk = try harness.disk(16 << 20)
        let data = pattern(16 << 20, seed: 3)
        try disk.put(data, at: 0)
        #expect(disk.storedBytes == 16 << 20)
        try disk.discard(at: 5000, length: 10_000_000)
        var expected = data
        expected.replaceSubrange(5000..<10_005_000, with: repeatElement(0, count: 10_000_000))
        #expect(try disk.bytes() == expected)
        // Blocks 2 to 2441 are holes; those at the ends were written as zeros in part.
        #expect(disk.storedBytes == 16 << 20 - UInt64(2442 - 2) * 4096)
        #expect(try disk.nextHole(from: 0) == 8192)
        #expect(try disk.nextData(from: 8192) == 2442 * 4096)
        try harness.crash(.kill)
        let again = try harness.store.attach(disk.id)
        #expect(try again.bytes() == expected)
        #expect(again.storedBytes == 16 << 20 - UInt64(2442 - 2) * 4096)
        try harness.store.close()
    }

    @Test func outsideTheDiskIsRefused() throws {
        let harness = try Harness()
        let disk = try harness.disk()
        for offset: UInt64 in [1 << 20 - 1, 1 << 20, .max] {
            let error = #expect(throws: DiskError.self) { try disk.put([1, 2], at: offset) }
            #expect(error?.code == .invalid)
            #expect(throws: DiskError.self) { try disk.bytes(offset, 2) }
        }
        try harness.store.close()
    }

    @Test func aThirtyTwoTebibyteDiskAttachesAndHoldsItsLastBlock() throws {
        let harness = try Harness()
        let disk = try harness.disk(32 << 40)
        let data = pattern(8192, seed: 4)
        try disk.put(data, at: 32 << 40 - 8192)
        try disk.discard(at: 0, length: 32 << 40 - 8192)
        try harness.reopen()
        let again = try harness.store.attach(disk.id)
        #expect(try again.bytes(32 << 40 - 8192, 8192) == data)
        #expect(try again.nextData(from: 0) == 32 << 40 - 8192)
        #expect(again.storedBytes == 8192)
        try harness.store.close()
    }

    @Test func aFourKibibyteDiskWorks() throws {
        let harness = try Harness()
        let disk = try harness.disk(4096)
        try disk.put(pattern(512, seed: 5), at: 512)
        try harness.reopen()
        let again = try harness.store.attach(disk.id)
        #expect(try again.bytes(512, 512) == pattern(512, seed: 5))
        #expect(try again.bytes(0, 512).allSatisfy { $0 == 0 })
        try harness.store.close()
    }
}

@Suite struct MapMemoryTests {
    /// Two disks whose maps are each larger than the limit: memory stays bounded, and a disk that
    /// has lain idle does not starve the other.
    @Test func mapsStayWithinOneLimit() throws {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 1024
        let harness = try Harness(limits: limits)
        let disks = [try harness.disk(64 << 30), try harness.disk(64 << 30)]
        let leaves = UInt64(1500)
        for disk in disks {
            for leaf in 0..<leaves {
                try disk.put(pattern(512, seed: leaf), at: leaf * (2 << 20))
            }
            try disk.flush()
        }
        for disk in disks {
            for leaf in 0..<leaves {
                #expect(try disk.bytes(leaf * (2 << 20), 512) == pattern(512, seed: leaf))
            }
        }
        // Dirty pages and those in use may exceed the limit for a moment, by no more than the
        // writers' own bound.
        #expect(harness.store.memory.usedPages <= harness.store.memory.limitPages * 3 / 2)
        try harness.store.close()
        #expect(harness.store.memory.usedPages < harness.store.memory.limitPages)
    }
}
