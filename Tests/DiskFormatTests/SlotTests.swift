import Testing

@testable import DiskFormat

/// Sealed slots open as what they are, where they are, and nowhere else.
@Suite struct SlotTests {
    static let slot: UInt32 = 42
    /// One of each kind.
    static let kinds: [SlotDescriptor] = [
        .data(0x1_2345_6789, durableSlots: 41), .mapPage(level: 2, index: 77, durableSlots: 3),
        .discard(1000..<5000, durableSlots: 0), .checkpoint(durableSlots: 42), .void,
    ]

    static func content(of kind: SlotDescriptor) -> [UInt8] {
        kind.kind.hasBody ? Example.body : [UInt8](repeating: 0, count: 4096)
    }

    @Test(arguments: Example.suites, kinds)
    func roundTrip(suite: Suite, kind: SlotDescriptor) throws {
        let cipher = try Example.cipher(suite)
        for slot in [0, Self.slot, ChunkLayout.maximumSlots - 1] {
            let sealed = try SlotBytes.sealed(kind, at: slot, with: cipher)
            let (descriptor, body) = try #require(try sealed.opened(at: slot, with: cipher))
            #expect(descriptor == kind)
            #expect(body == Self.content(of: kind))
        }
    }

    @Test(arguments: kinds) func nothingOfTheSealedSuiteShows(kind: SlotDescriptor) throws {
        let hidden = try SlotBytes.sealed(kind, at: 42, with: Example.cipher(.aes256GCM))
        let shown = try SlotBytes.sealed(kind, at: 42, with: Example.cipher(.plain))
        #expect(hidden.entry.prefix(16) != shown.entry.prefix(16))
        if kind.kind.hasBody {
            #expect(shown.body == Example.body)
            // 4096 bytes of a cipher agree with a given text in 16 places, on average.
            #expect(zip(hidden.body, Example.body).count { $0 == $1 } < 100)
        }
    }

    /// What the tag binds: each of these opens nothing that was sealed elsewhere.
    @Test(arguments: Example.suites, kinds)
    func refusedElsewhere(suite: Suite, kind: SlotDescriptor) throws {
        let keys = try Example.keys(suite)
        let sealed = try SlotBytes.sealed(
            kind, at: Self.slot, with: keys.cipher(forChunk: Example.chunk, salt: Example.salt))
        func refuses(_ keys: LineageKeys, _ chunk: ChunkNumber, _ salt: [UInt8], _ slot: UInt32)
            throws -> Bool
        {
            let cipher = try keys.cipher(forChunk: chunk, salt: salt)
            return try sealed.opened(at: slot, with: cipher) == nil
                && sealed.opened(at: slot, as: .data(0x1_2345_6789), with: cipher) == nil
        }
        let (chunk, salt) = (Example.chunk, Example.salt)
        for slot in [0, Self.slot - 1, Self.slot + 1, Self.slot + 256, Self.slot | 1 << 19] {
            #expect(try refuses(keys, chunk, salt, slot), "slot \(slot)")
        }
        for other in [
            Example.before, ChunkNumber(lane: 4, sequence: 7), ChunkNumber(lane: 7, sequence: 5),
        ] {
            #expect(try refuses(keys, other, salt, Self.slot), "chunk \(other)")
        }
        for bit in [0, 100, 255] {
            #expect(try refuses(keys, chunk, salt.flipping(bit: bit), Self.slot), "salt")
        }
        let lineage = LineageID(bytes: Example.lineage.bytes.flipping(bit: 127))
        #expect(try refuses(Example.keys(suite, lineage: lineage), chunk, salt, Self.slot))
        let otherSuite: Suite = suite == .plain ? .aes256GCM : .plain
        #expect(try refuses(Example.keys(otherSuite), chunk, salt, Self.slot))
        if suite == .aes256GCM {
            #expect(try refuses(Example.keys(epoch: 4), chunk, salt, Self.slot), "epoch")
            let key = Example.dataKey.flipping(bit: 9)
            #expect(try refuses(Example.keys(dataKey: key), chunk, salt, Self.slot), "data key")
        }
    }

    @Test(arguments: Example.suites, kinds)
    func everyFlippedBitIsRefused(suite: Suite, kind: SlotDescriptor) throws {
        let cipher = try Example.cipher(suite)
        let sealed = try SlotBytes.sealed(kind, at: Self.slot, with: cipher)
        for bit in 0..<256 {
            let changed = SlotBytes(entry: sealed.entry.flipping(bit: bit), body: sealed.body)
            #expect(try changed.opened(at: Self.slot, with: cipher) == nil, "bit \(bit) of entry")
        }
        for bit in stride(from: 0, to: 8 * 4096, by: 61) {
            let changed = SlotBytes(entry: sealed.entry, body: sealed.body.flipping(bit: bit))
            let opened = try changed.opened(at: Self.slot, with: cipher)
            // What lies in the place of a body that is not there has no meaning.
            #expect((opened == nil) == kind.kind.hasBody, "bit \(bit) of body")
        }
    }

    @Test(arguments: Example.suites)
    func anEntryDoesNotTakeAnotherBody(suite: Suite) throws {
        let cipher = try Example.cipher(suite)
        let a = try SlotBytes.sealed(.data(1, durableSlots: 0), at: 1, with: cipher)
        let b = try SlotBytes.sealed(
            .data(1, durableSlots: 0), body: Example.body.reversed(), at: 2, with: cipher)
        let mixed = SlotBytes(entry: a.entry, body: b.body)
        #expect(try mixed.opened(at: 1, with: cipher) == nil)
        #expect(try mixed.opened(at: 2, with: cipher) == nil)
    }

    @Test(arguments: Example.suites)
    func bytesOfChanceAreRefused(suite: Suite) throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("bytesOfChanceAreRefused: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let cipher = try Example.cipher(suite)
        for _ in 0..<300 {
            let slot = SlotBytes(entry: generator.bytes(32), body: generator.bytes(4096))
            #expect(try slot.opened(at: 9, with: cipher) == nil)
            #expect(try slot.opened(at: 9, as: .checkpoint, with: cipher) == nil)
        }
        let zeros = SlotBytes(
            entry: [UInt8](repeating: 0, count: 32), body: [UInt8](repeating: 0, count: 4096))
        #expect(try zeros.opened(at: 0, with: cipher) == nil)
    }
}
