import Testing

@testable import DiskFormat

@Suite struct CheckpointRecordTests {
    static let record = CheckpointRecord(
        generation: 4, size: 1 << 20, root: BlockAddress(chunk: Example.chunk, slot: 0x29),
        storedBlocks: 200, replayFrom: LogPosition(chunk: Example.chunk, slot: 40),
        disk: Example.disk)

    static func decode(_ bytes: [UInt8]) throws -> CheckpointRecord {
        try bytes.withUnsafeBytes { try CheckpointRecord(decoding: $0) }
    }

    @Test func roundTrip() throws {
        #expect(try Self.decode(Self.record.encoded()) == Self.record)
        let largest = CheckpointRecord(
            generation: Format.maximumCount - 1, size: Format.maximumDiskSize, root: .hole,
            storedBlocks: Format.maximumDiskSize / 4096,
            replayFrom: LogPosition(
                chunk: ChunkNumber(lane: 4095, sequence: ChunkNumber.maximumSequence),
                slot: ChunkLayout.maximumSlots),
            disk: Example.disk)
        #expect(try Self.decode(largest.encoded()) == largest)
    }

    static let bytes = record.encoded()

    @Test(arguments: [
        ("magic", bytes.with(UInt8(0x32), at: 7)), ("no magic", bytes.with(UInt64(0), at: 0)),
        ("generation 0", bytes.with(UInt64(0), at: 8)),
        ("generation", bytes.with(UInt64(1) << 62, at: 8)),
        ("largest generation", bytes.with(UInt64.max, at: 8)),
        ("size 0", bytes.with(UInt64(0), at: 16)),
        ("size", bytes.with(UInt64(4097), at: 16)),
        ("large size", bytes.with(UInt64(32) << 40 + 4096, at: 16)),
        ("stored blocks", bytes.with(UInt64(257), at: 32)),
        ("many stored blocks", bytes.with(UInt64.max, at: 32)),
        ("replay chunk", bytes.with(UInt64(1) << 44, at: 40)),
        ("replay slot", bytes.with(UInt32(1 << 20 + 1), at: 48)),
        ("disk", bytes.with(UInt8(ascii: "s"), at: 52)),
        ("disk's letters", bytes.with(UInt8(ascii: "A"), at: 73)),
        ("disk's text", bytes.with(UInt8(0xff), at: 60)),
        ("short disk", bytes.with(UInt8(0), at: 73)),
        ("after the disk", bytes.with(UInt8(1), at: 74)),
        ("the end", bytes.with(UInt8(1), at: 4095)),
        ("cut off", Array(bytes.dropLast())), ("too long", bytes + [0]), ("nothing", []),
    ])
    func refused(_ what: String, _ bytes: [UInt8]) {
        #expect(HeaderTests.code { _ = try Self.decode(bytes) } == .malformed, "\(what)")
    }

    /// Whatever decodes has one encoding.
    @Test func bytesOfChance() {
        let seed = UInt64.random(in: 0 ... .max)
        print("bytesOfChance: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            var bytes = Self.bytes
            bytes[Int.random(in: 0..<80, using: &generator)] = generator.bytes(1)[0]
            bytes[Int.random(in: 0..<80, using: &generator)] = generator.bytes(1)[0]
            if let record = try? Self.decode(bytes) { #expect(record.encoded() == bytes) }
            let noise = generator.bytes(4096)
            #expect(HeaderTests.code { _ = try Self.decode(noise) } == .malformed)
        }
    }
}
