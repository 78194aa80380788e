import Testing

@testable import DiskFormat

/// Runs of slots, what readers expect of them, and the nonces they are sealed under.
@Suite struct SlotRunTests {
    /// `blocks` of data, sealed in one go from `slot` on; block n is filled with byte n.
    static func run(_ blocks: Range<UInt64>, at slot: UInt32, with cipher: ChunkCipher) throws
        -> [SlotBytes]
    {
        let run = SealedRun(capacity: blocks.count)
        let bodies = blocks.flatMap { [UInt8](repeating: UInt8($0), count: 4096) }
        try bodies.withUnsafeBytes { bytes in
            try cipher.seal(
                run, at: slot, count: blocks.count,
                describe: { .data(blocks.lowerBound + UInt64($0), durableSlots: slot) },
                body: { bytes.baseAddress! + $0 * 4096 })  // as many bodies as blocks
        }
        return blocks.indices.map { SlotBytes(run, Int($0 - blocks.lowerBound)) }
    }

    /// The index of the first slot that is not what is expected, nil if all are; and the bodies.
    static func open(
        _ slots: [SlotBytes], at first: UInt32, with cipher: ChunkCipher,
        expecting: (Int) -> ExpectedSlot
    ) throws -> (bad: Int?, bodies: [UInt8]) {
        var entries = slots.flatMap(\.entry)
        var bodies = slots.flatMap(\.body)
        let bad = try entries.withUnsafeMutableBytes { entries in
            try bodies.withUnsafeMutableBytes { bodies in
                try cipher.open(
                    UnopenedRun(firstSlot: first, entries: entries, bodies: bodies),
                    expecting: expecting)
            }
        }
        return (bad, bodies)
    }

    @Test(arguments: Example.suites)
    func aRunIsItsSlotsOneByOne(suite: Suite) throws {
        let cipher = try Example.cipher(suite)
        let slots = try Self.run(10..<15, at: 100, with: cipher)
        for (index, slot) in slots.enumerated() {
            let body = [UInt8](repeating: UInt8(10 + index), count: 4096)
            let alone = try SlotBytes.sealed(
                .data(UInt64(10 + index), durableSlots: 100), body: body,
                at: UInt32(100 + index), with: cipher)
            #expect(slot == alone)
        }
        let opened = try Self.open(slots, at: 100, with: cipher) { .data(UInt64(10 + $0)) }
        #expect(opened.bad == nil)
        #expect(opened.bodies == (10..<15).flatMap { [UInt8](repeating: $0, count: 4096) })
    }

    @Test(arguments: Example.suites)
    func theFirstBadSlotIsNamed(suite: Suite) throws {
        let cipher = try Example.cipher(suite)
        let slots = try Self.run(10..<15, at: 100, with: cipher)
        for index in slots.indices {
            var changed = slots
            changed[index].body[17] ^= 4
            changed[4].entry[31] ^= 1
            #expect(
                try Self.open(changed, at: 100, with: cipher) { .data(UInt64(10 + $0)) }.bad
                    == index)
        }
        var swapped = slots
        swapped.swapAt(1, 3)
        #expect(try Self.open(swapped, at: 100, with: cipher) { .data(UInt64(10 + $0)) }.bad == 1)
        #expect(try Self.open(slots, at: 101, with: cipher) { .data(UInt64(10 + $0)) }.bad == 0)
    }

    /// However authentic, a slot that is not the one asked for is damage.
    @Test(arguments: Example.suites)
    func readersCheckWhatTheyGet(suite: Suite) throws {
        let cipher = try Example.cipher(suite)
        func opens(_ descriptor: SlotDescriptor, as expected: ExpectedSlot) throws -> Bool {
            try SlotBytes.sealed(descriptor, at: 5, with: cipher)
                .opened(at: 5, as: expected, with: cipher) != nil
        }
        #expect(try opens(.data(7, durableSlots: 4), as: .data(7)))
        #expect(try !opens(.data(7, durableSlots: 4), as: .data(8)))
        #expect(try !opens(.data(7, durableSlots: 4), as: .mapPage(level: 0, index: 7)))
        #expect(try !opens(.data(0, durableSlots: 4), as: .checkpoint))
        let page = SlotDescriptor.mapPage(level: 1, index: 7, durableSlots: 0)
        #expect(try opens(page, as: .mapPage(level: 1, index: 7)))
        #expect(try !opens(page, as: .mapPage(level: 2, index: 7)))
        #expect(try !opens(page, as: .mapPage(level: 1, index: 6)))
        #expect(try !opens(page, as: .data(7)))
        #expect(try opens(.checkpoint(durableSlots: 0), as: .checkpoint))
        #expect(try !opens(.checkpoint(durableSlots: 0), as: .data(0)))
        #expect(try !opens(.discard(7..<8, durableSlots: 0), as: .data(7)))
        #expect(try !opens(.void, as: .data(0)))
    }

    @Test(arguments: Example.suites)
    func aVoidIsAConstant(suite: Suite) throws {
        let cipher = try Example.cipher(suite)
        let run = SealedRun(capacity: 3)
        try cipher.void(run, at: 20, count: 3)
        #expect(run.bodyBytes.isEmpty)
        let together = (0..<3).map { SlotBytes(run, $0) }
        let again = try Example.cipher(suite)
        for (index, slot) in together.enumerated() {
            #expect(try slot == SlotBytes.sealed(.void, at: UInt32(20 + index), with: again))
        }
        #expect(Set(together).count == 3)
    }

    /// A keystream that is used twice gives plaintext away: what a slot's descriptor is hidden
    /// under differs for every slot, for its void, and for every chunk.
    @Test func noKeystreamIsUsedTwice() throws {
        let keys = try Example.keys()
        var seen: Set<[UInt8]> = []
        var count = 0
        for chunk in [Example.chunk, Example.before, ChunkNumber(lane: 6, sequence: 7)] {
            let cipher = try keys.cipher(forChunk: chunk, salt: Example.salt)
            for slot in UInt32(0)..<300 {
                for kind in [SlotDescriptor.void, .discard(3..<4, durableSlots: 0)] {
                    var plain = [UInt8](repeating: 0, count: 16)
                    plain.withUnsafeMutableBytes { kind.write(to: $0.baseAddress!) }  // 16 bytes
                    let sealed = try SlotBytes.sealed(kind, at: slot, with: cipher)
                    seen.insert(zip(sealed.entry, plain).map { $0 ^ $1 })
                    count += 1
                }
            }
        }
        #expect(seen.count == count)
    }

    @Test func blankSlotsAreSeen() {
        var entries = [UInt8](repeating: 0, count: 64)
        entries[63] = 1
        var bodies = [UInt8](repeating: 9, count: 8192)
        entries.withUnsafeMutableBytes { entries in
            bodies.withUnsafeMutableBytes { bodies in
                let run = UnopenedRun(firstSlot: 7, entries: entries, bodies: bodies)
                #expect(run.slots == 7..<9)
                #expect(run.isBlank(0))
                #expect(!run.isBlank(1))
            }
        }
    }
}
