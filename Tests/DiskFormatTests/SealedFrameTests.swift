import CryptoPrimitives
import Testing

@testable import DiskFormat

/// A small sealed snapshot, in the pieces that a file joins.
enum SealedExample {
    static let items: [SealedItem] = [.data(2), .data(9), .data(15)]
    static let changes: [SealedItem] = [.data(2), .hole(3..<7), .data(9), .hole(10..<16)]
    static let base = SnapshotID("s-00000000000000000old")!  // of valid form
    static let first = FrameNumber(0)!  // in bounds

    static func header(
        _ suite: Suite, base: SnapshotID? = nil, salt: [UInt8] = Example.salt,
        differenceSalt: [UInt8] = SealedSnapshotHeader.noDifferenceSalt
    ) throws -> SealedSnapshotHeader {
        let keys = try Example.keys(suite)
        let isPlain = suite == .plain
        return try SealedSnapshotHeader(
            lineage: Example.lineage, snapshot: Example.snapshot, base: base, disk: Example.disk,
            created: 1_790_000_000, size: 16 * 4096, storedBlocks: base == nil ? 3 : 0, salt: salt,
            differenceSalt: differenceSalt,
            store: Hex.text(Array(0x40..<0x50)),
            key: .init(
                suite: suite, epoch: keys.epoch, keyID: isPlain ? nil : "key-1",
                wrappedKey: isPlain ? nil : HexBytes(Array(0..<61)),
                keyCheck: HexBytes(keys.keyCheck)))
    }

    static func body(_ block: BlockNumber) -> [UInt8] {
        Example.body.map { $0 &+ UInt8(truncatingIfNeeded: block) }
    }

    static func frame(
        _ items: [SealedItem], of header: SealedSnapshotHeader, _ suite: Suite,
        number: FrameNumber = first, isLast: Bool = true
    ) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: 4096)
        for case .data(let block) in items { bytes += body(block) }
        let cipher = try Example.keys(suite).cipher(for: header)
        try bytes.withUnsafeMutableBytes {
            try cipher.seal(items, as: number, isLast: isLast, in: $0)
        }
        return bytes
    }

    /// Items and bodies of an authentic frame; nil if it is refused.
    static func opened(
        _ frame: [UInt8], with cipher: SealedFrameCipher, as number: FrameNumber = first
    ) -> (items: [SealedItem], bodies: [UInt8])? {
        var bytes = frame
        guard
            let found = bytes.withUnsafeMutableBytes({
                try? cipher.open($0, as: number, from: 0)
            })
        else { return nil }
        return (found.items, Array(bytes[4096...]))
    }

    static func check(_ frame: [UInt8], as number: FrameNumber = first) -> SealedFrameFields? {
        frame.withUnsafeBytes { try? SealedFrameFields.check($0, expecting: number) }
    }
}

/// Frames and headers of sealed snapshots open as what they are, and nothing else opens.
@Suite struct SealedFrameTests {
    @Test(arguments: Example.suites) func roundTrip(suite: Suite) throws {
        for (base, items) in [
            (nil, SealedExample.items), (SealedExample.base, SealedExample.changes), (nil, []),
        ] {
            let header = try SealedExample.header(suite, base: base)
            let page = try header.sealed(with: Example.keys(suite))
            #expect(try UnopenedSealedHeader(bytes: page).openUnverified() == header)
            #expect(try UnopenedSealedHeader(bytes: page).open(with: Example.keys(suite)) == header)
            let frame = try SealedExample.frame(items, of: header, suite)
            #expect(try SealedExample.frame(items, of: header, suite) == frame)
            let found = try #require(
                SealedExample.opened(frame, with: Example.keys(suite).cipher(for: header)))
            #expect(found.items == items)
            var bodies: [UInt8] = []
            for case .data(let block) in items { bodies += SealedExample.body(block) }
            #expect(found.bodies == bodies)
            #expect(SealedExample.check(frame)?.frameSize == frame.count)
        }
    }

    /// With the key and without it; the key also tells when whoever changed bytes hashed again.
    @Test(arguments: Example.suites) func everyFlippedBitOfAHeaderIsFound(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let page = try SealedExample.header(suite).sealed(with: keys)
        for bit in 0..<page.count * 8 {
            let bytes = page.flipping(bit: bit)
            let changed = UnopenedSealedHeader(bytes: bytes)
            #expect(throws: FormatError.self, "bit \(bit)") { try changed.openUnverified() }
            #expect(throws: FormatError.self, "bit \(bit)") { try changed.open(with: keys) }
            if bit / 8 < 4064 {
                let hashed = UnopenedSealedHeader(
                    bytes: Array(bytes[..<4064]) + (try SHA256.hash(Array(bytes[..<4064]))))
                #expect(throws: FormatError.self, "bit \(bit), hashed") {
                    try hashed.open(with: keys)
                }
            }
        }
        #expect(throws: FormatError.self) {
            try UnopenedSealedHeader(bytes: Array(page.dropLast())).openUnverified()
        }
    }

    /// With the key and without it: the hash covers all of a frame but itself.
    @Test(arguments: Example.suites) func everyFlippedBitOfAFrameIsFound(suite: Suite) throws {
        let header = try SealedExample.header(suite, base: SealedExample.base)
        let cipher = try Example.keys(suite).cipher(for: header)
        let frame = try SealedExample.frame(SealedExample.changes, of: header, suite)
        for bit in 0..<frame.count * 8 where bit < 4096 * 8 || bit % 61 == 0 {
            let changed = frame.flipping(bit: bit)
            #expect(SealedExample.check(changed) == nil, "bit \(bit)")
            #expect(SealedExample.opened(changed, with: cipher) == nil, "bit \(bit)")
            // Whoever changes bytes can hash again; only the key tells then.
            let hashed = try rehashed(changed)
            if bit / 8 < 4064 || bit / 8 >= 4096 {
                #expect(SealedExample.opened(hashed, with: cipher) == nil, "bit \(bit), hashed")
            }
        }
    }

    private func rehashed(_ frame: [UInt8]) throws -> [UInt8] {
        let hash = try frame.withUnsafeBytes { try SealedFrameFields.hash(of: $0) }
        return Array(frame[..<4064]) + hash + Array(frame[4096...])
    }

    @Test(arguments: Example.suites) func framesDoNotOpenElsewhere(suite: Suite) throws {
        let header = try SealedExample.header(suite)
        let cipher = try Example.keys(suite).cipher(for: header)
        let frame = try SealedExample.frame(SealedExample.items, of: header, suite)
        let second = FrameNumber(1)!  // in bounds
        #expect(SealedExample.check(frame, as: second) == nil)
        #expect(SealedExample.opened(frame, with: cipher, as: second) == nil)
        let renumbered = try rehashed(frame.with(UInt64(1), at: 4032))
        #expect(SealedExample.check(renumbered, as: second) != nil)
        #expect(SealedExample.opened(renumbered, with: cipher, as: second) == nil)
        for length in [0, 4095, 4096, frame.count - 4096, frame.count - 1] {
            #expect(SealedExample.check(Array(frame.prefix(length))) == nil)
        }
        for other in [
            try SealedExample.header(suite, base: SealedExample.base),
            try SealedExample.header(suite, salt: Example.salt.flipping(bit: 5)),
        ] {
            let cipher = try Example.keys(suite).cipher(for: other)
            #expect(SealedExample.opened(frame, with: cipher) == nil)
        }
    }

    @Test func geometry() {
        #expect(SealedGeometry.fileSize(blocks: 0) == 2 * 4096)
        #expect(SealedGeometry.fileSize(blocks: 126) == 128 * 4096)
        #expect(SealedGeometry.fileSize(blocks: 127) == 130 * 4096)
        #expect(SealedGeometry.offset(of: FrameNumber(1)!) == 128 * 4096)  // in bounds
    }
}
