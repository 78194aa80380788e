import Testing

@testable import DiskFormat

/// Where things lie: offsets in a chunk, addresses, the map's geometry, names in the store.
@Suite struct LayoutTests {
    static let layouts: [(slots: UInt32, bodies: UInt64, size: UInt64)] = [
        (8, 8192, 40_960), (128, 8192, 532_480), (129, 12_288, 540_672),
        (8192, 266_240, 33_820_672), (1 << 20, 33_558_528, 4_328_525_824),
    ]

    @Test(arguments: layouts)
    func chunkOffsets(slots: UInt32, bodies: UInt64, size: UInt64) throws {
        let layout = try #require(ChunkLayout(slotCount: slots))
        #expect(layout.tableOffset == 4096)
        #expect(layout.bodiesOffset == bodies)
        #expect(layout.fileSize == size)
        #expect(layout.entryOffset(of: 0) == 4096)
        #expect(layout.entryOffset(of: slots - 1) == 4096 + 32 * UInt64(slots - 1))
        #expect(layout.entryOffset(of: slots) <= bodies)
        #expect(layout.bodyOffset(of: 0) == bodies)
        #expect(layout.bodyOffset(of: slots - 1) == size - 4096)
    }

    @Test func chunkBounds() {
        #expect(ChunkLayout(slotCount: 7) == nil)
        #expect(ChunkLayout(slotCount: 1 << 20 + 1) == nil)
        #expect(ChunkLayout(slotCount: 0) == nil)
        #expect(Example.layout.atMost(256).slotCount == 256)
        #expect(Example.layout.atMost(8192).slotCount == 8192)
        #expect(Example.layout.atMost(1 << 20).slotCount == 8192)
    }

    static let tebibyte: UInt64 = 1 << 40
    static let disks: [(size: UInt64, capacity: UInt64, slots: UInt32)] = [
        (4096, 1024 * tebibyte, 256), (1 << 20, 1024 * tebibyte, 256),
        (64 << 20, 1024 * tebibyte, 512), (1 << 30, 1024 * tebibyte, 8192),
        (tebibyte, 1024 * tebibyte, 8192),
        (4 * tebibyte - 4096, 1024 * tebibyte, 8192), (4 * tebibyte, 1024 * tebibyte, 65_536),
        (32 * tebibyte, 1024 * tebibyte, 65_536), (tebibyte, 1 << 30, 4096),
        (32 * tebibyte, 64 << 20, 256), (tebibyte, 0, 256),
    ]

    @Test(arguments: disks)
    func chunksOfADisk(size: UInt64, capacity: UInt64, slots: UInt32) {
        #expect(ChunkLayout.forDisk(size: size, capacity: capacity).slotCount == slots)
    }

    @Test func addresses() throws {
        let address = BlockAddress(chunk: Example.chunk, slot: 0x29)
        #expect(address.rawValue == 0x0050_0000_0070_0029)
        #expect(address.chunk == Example.chunk)
        #expect(address.slot == 0x29)
        #expect(!address.isHole)
        #expect(BlockAddress.hole.rawValue == 0)
        let last = BlockAddress(rawValue: .max)
        #expect(last.chunk == ChunkNumber(lane: 4095, sequence: .max))
        #expect(last.slot == 0xF_FFFF)
        #expect(ChunkNumber(rawValue: 1 << 44) == nil)
        #expect(ChunkNumber(rawValue: 1 << 44 - 1) == nil)
        let number = try #require(ChunkNumber(rawValue: 4095 << 32 | 0xFFFF_0000))
        #expect((number.lane, number.sequence) == (4095, ChunkNumber.maximumSequence))
        #expect(ChunkNumber(lane: 1, sequence: .max) < ChunkNumber(lane: 2, sequence: 0))
        #expect("\(ChunkNumber(lane: 0xab, sequence: 0x1_0f))" == "00ab/0000010f")
    }

    @Test func map() {
        #expect((UInt8(0)...3).map(MapGeometry.blocks) == [512, 1 << 18, 1 << 27, 1 << 36])
        #expect((UInt8(0)...3).map(MapGeometry.pages) == [1 << 27, 1 << 18, 512, 1])
        let block: UInt64 = 5 << 27 | 6 << 18 | 7 << 9 | 8
        #expect((UInt8(0)...3).map { MapGeometry.entry(of: block, level: $0) } == [8, 7, 6, 5])
        #expect(
            (UInt8(0)...3).map { MapGeometry.pageIndex(of: block, level: $0) }
                == [5 << 18 | 6 << 9 | 7, 5 << 9 | 6, 5, 0])
        let last: UInt64 = 1 << 36 - 1
        for level in UInt8(0)...3 {
            #expect(
                MapGeometry.pageIndex(of: last, level: level) == MapGeometry.pages(atLevel: level)
                    - 1)
            #expect(MapGeometry.entry(of: last, level: level) == 511)
        }
    }

    @Test func names() {
        let folder = "lineages/000102030405060708090a0b0c0d0e0f"
        let (lineage, disk) = (Example.lineage, Example.disk)
        #expect(StoreLayout.store == "store.json")
        #expect(StoreLayout.reserve == "reserve")
        #expect(StoreLayout.lineageManifest(lineage) == "\(folder)/lineage.manifest")
        #expect(StoreLayout.disk(lineage, disk) == "\(folder)/disks/\(disk).manifest")
        #expect(StoreLayout.pendingSize(lineage, disk) == "\(folder)/disks/\(disk).pending")
        #expect(
            StoreLayout.snapshot(lineage, Example.snapshot)
                == "\(folder)/snapshots/s-00000000000000000xyz.manifest")
        let number = ChunkNumber(lane: 0xabc, sequence: 0x12_3456)
        #expect(StoreLayout.lane(lineage, number.lane) == "\(folder)/chunks/0abc")
        #expect(
            StoreLayout.chunk(lineage, number)
                == "\(folder)/chunks/0abc/001234/00123456.chunk")
        #expect(
            StoreLayout.chunk(lineage, ChunkNumber(lane: 1, sequence: 1))
                == "\(folder)/chunks/0001/000000/00000001.chunk")
    }

    @Test func namesBackToNumbers() {
        #expect(StoreLayout.sequence(ofChunkNamed: "00123456.chunk") == 0x12_3456)
        #expect(StoreLayout.sequence(ofChunkNamed: "0000000a.chunk") == 10)
        #expect(StoreLayout.lane(named: "0abc") == 0xabc)
        #expect(StoreLayout.lane(named: "0000") == 0)
    }

    /// A name has one spelling: another file beside a chunk cannot pass for it.
    @Test(arguments: [
        "", ".chunk", "1.chunk", "00000000.chunk", "ffffffff.chunk", "0000000g.chunk",
        "00000001.chunk2", "00000001.chunl", "000000001.chunk", "0000000A.chunk",
        "+0000001.chunk", "-0000001.chunk", "00000001",
    ])
    func notAChunk(name: String) {
        #expect(StoreLayout.sequence(ofChunkNamed: name) == nil)
    }

    @Test(arguments: ["", "1", "1000", "ffff", "00001", "00AB", "+001", "-001", "00g0", "0x01"])
    func notALane(name: String) {
        #expect(StoreLayout.lane(named: name) == nil)
    }
}
