import Testing

@testable import DiskFormat

/// Chunk headers: what was sealed opens, and nothing else does.
@Suite struct HeaderTests {
    static func header(_ suite: Suite) -> ChunkHeader {
        ChunkHeader(
            suite: suite, layout: Example.layout, lineage: Example.lineage, number: Example.chunk,
            session: 9, salt: Example.salt,
            predecessor: LogPosition(chunk: Example.before, slot: 8192),
            durable: LogPosition(chunk: Example.before, slot: 8000))
    }

    /// `bytes` with their first 480 authenticated anew: what only a holder of the key can make.
    static func resealed(_ bytes: [UInt8], _ keys: LineageKeys) throws -> [UInt8] {
        try bytes[..<480] + keys.headerKey.authenticate(Array(bytes[..<480])) + bytes[512...]
    }

    static func open(_ bytes: [UInt8], _ keys: LineageKeys, as number: ChunkNumber = Example.chunk)
        throws -> ChunkHeader
    {
        try UnopenedHeader(bytes: bytes).open(with: keys, expecting: number)
    }

    static func code(_ body: () throws -> Void) -> FormatError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? FormatError)?.code
        }
    }

    @Test(arguments: Example.suites) func roundTrip(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let header = Self.header(suite)
        #expect(try Self.open(header.sealed(with: keys).bytes, keys) == header)
        let first = ChunkHeader(
            suite: suite, layout: try #require(ChunkLayout(slotCount: 8)),
            lineage: Example.lineage, number: Example.chunk, session: 1, salt: Example.salt,
            predecessor: nil, durable: nil)
        #expect(try Self.open(first.sealed(with: keys).bytes, keys) == first)
        let smaller = try #require(ChunkLayout(slotCount: 256))
        #expect(header.with(layout: smaller).layout == smaller)
        #expect(header.with(layout: smaller).with(layout: Example.layout) == header)
    }

    @Test(arguments: Example.suites) func everyFlippedBitIsRefused(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let bytes = try Self.header(suite).sealed(with: keys).bytes
        let padding = stride(from: 512 * 8, to: 4096 * 8, by: 83)
        for bit in Array(0..<512 * 8) + Array(padding) + [4096 * 8 - 1] {
            #expect(
                Self.code { _ = try Self.open(bytes.flipping(bit: bit), keys) } == .notAuthentic,
                "bit \(bit)")
        }
    }

    @Test(arguments: Example.suites) func refusedElsewhere(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let bytes = try Self.header(suite).sealed(with: keys).bytes
        #expect(Self.code { _ = try Self.open(bytes, keys, as: Example.before) } == .notAuthentic)
        let lineage = LineageID(bytes: Example.lineage.bytes.flipping(bit: 0))
        let others = [
            try Example.keys(suite, lineage: lineage),
            try Example.keys(suite == .plain ? .aes256GCM : .plain),
        ]
        for other in others {
            #expect(Self.code { _ = try Self.open(bytes, other) } == .notAuthentic)
        }
        let epoch = try Example.keys(epoch: 2)
        #expect(Self.code { _ = try Self.open(bytes, epoch) } == .notAuthentic)
    }

    @Test func cutOffIsMalformed() throws {
        let keys = try Example.keys()
        let bytes = try Self.header(.aes256GCM).sealed(with: keys).bytes
        for count in [0, 1, 479, 480, 512, 4095] {
            #expect(Self.code { _ = try Self.open(Array(bytes[..<count]), keys) } == .malformed)
        }
        #expect(Self.code { _ = try Self.open(bytes + [0], keys) } == .malformed)
    }

    /// A plain lineage's headers can be made by anybody: what is authentic is still bounded.
    @Test(arguments: Example.suites) func authenticFieldsAreBounded(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let bytes = try Self.header(suite).sealed(with: keys).bytes
        let cases: [(String, [UInt8], FormatError.Code)] = [
            ("magic", bytes.with(UInt8(0), at: 0), .unsupported),
            ("version", bytes.with(UInt16(2), at: 8), .unsupported),
            ("suite", bytes.with(UInt16(2), at: 10), .malformed),
            ("block size", bytes.with(UInt32(512), at: 12), .malformed),
            ("7 slots", bytes.with(UInt32(7), at: 16), .malformed),
            ("slots", bytes.with(UInt32(1 << 20 + 1), at: 16), .malformed),
            ("chunk", bytes.with(UInt64(1) << 44, at: 36), .malformed),
            ("another chunk", bytes.with(UInt64(1), at: 36), .notAuthentic),
            ("another lineage", bytes.with(UInt8(99), at: 20), .notAuthentic),
            ("predecessor", bytes.with(UInt64.max, at: 84), .malformed),
            ("predecessor slot", bytes.with(UInt32(1 << 20 + 1), at: 92), .malformed),
            ("durable", bytes.with(UInt64(1) << 44, at: 96), .malformed),
            ("durable slot", bytes.with(UInt32.max, at: 104), .malformed),
        ]
        for (what, changed, expected) in cases {
            let sealed = try Self.resealed(changed, keys)
            #expect(Self.code { _ = try Self.open(sealed, keys) } == expected, "\(what)")
        }
        let otherSuite: UInt16 = suite == .plain ? 1 : 0
        let exchanged = try Self.resealed(bytes.with(otherSuite, at: 10), keys)
        #expect(Self.code { _ = try Self.open(exchanged, keys) } == .notAuthentic)
        #expect(try Self.open(Self.resealed(bytes, keys), keys) == Self.header(suite))
    }

    @Test func fieldsOfChanceNeverTrap() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("fieldsOfChanceNeverTrap: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let keys = try Example.keys(.plain)
        let bytes = try Self.header(.plain).sealed(with: keys).bytes
        for _ in 0..<2000 {
            var changed = bytes
            let start = Int.random(in: 0..<108, using: &generator)
            let noise = generator.bytes(Int.random(in: 1...12, using: &generator))
            for (index, byte) in noise.enumerated() { changed[start + index] = byte }
            guard let header = try? Self.open(Self.resealed(changed, keys), keys) else { continue }
            #expect(header.number == Example.chunk)
            #expect(ChunkLayout(slotCount: header.layout.slotCount) != nil)
            #expect((header.predecessor?.slot ?? 0) <= ChunkLayout.maximumSlots)
        }
    }

    @Test func aBlankHeaderIsRefused() throws {
        let zeros = [UInt8](repeating: 0, count: 4096)
        #expect(Self.code { _ = try Self.open(zeros, Example.keys(.plain)) } == .notAuthentic)
    }
}
