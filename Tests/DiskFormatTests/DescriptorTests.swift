import Testing

@testable import DiskFormat

/// Descriptors: a plain lineage's are hostile input, so every bound is checked.
@Suite struct DescriptorTests {
    static func decode(_ bytes: [UInt8]) -> SlotDescriptor? {
        bytes.withUnsafeBytes { SlotDescriptor(bytes: $0.baseAddress!) }  // 16 bytes
    }

    static func encode(_ descriptor: SlotDescriptor) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: SlotDescriptor.size)
        bytes.withUnsafeMutableBytes { descriptor.write(to: $0.baseAddress!) }  // 16 bytes
        return bytes
    }

    /// 16 bytes of a descriptor with any fields.
    static func raw(
        kind: UInt8, level: UInt8 = 0, durable: UInt32 = 0, index: UInt64 = 0, length: UInt64 = 1
    ) -> [UInt8] {
        // Each field overwrites what the wider number before it left behind its end.
        let fields = [UInt8](repeating: 0, count: 18).with(durable, at: 2).with(index, at: 5)
            .with(length, at: 10).with(kind, at: 0).with(level, at: 1)
        return Array(fields[..<16])
    }

    static let lastBlock: UInt64 = 1 << 36 - 1

    @Test(arguments: [
        raw(kind: 1, index: lastBlock), raw(kind: 1, durable: 1 << 20),
        raw(kind: 2, level: 0, index: 1 << 27 - 1), raw(kind: 2, level: 1, index: 1 << 18 - 1),
        raw(kind: 2, level: 2, index: 511), raw(kind: 2, level: 3),
        raw(kind: 3, index: lastBlock), raw(kind: 3, length: 1 << 36),
        raw(kind: 3, index: 9, length: 1 << 36 - 9), raw(kind: 4), raw(kind: 5, length: 0),
    ])
    func atTheBound(_ bytes: [UInt8]) throws {
        #expect(Self.encode(try #require(Self.decode(bytes))) == bytes)
    }

    @Test(arguments: [
        raw(kind: 0), raw(kind: 6), raw(kind: 255),
        raw(kind: 1, index: lastBlock + 1), raw(kind: 1, durable: 1 << 20 + 1),
        raw(kind: 1, level: 1), raw(kind: 1, length: 0), raw(kind: 1, length: 2),
        raw(kind: 2, level: 4), raw(kind: 2, level: 3, index: 1),
        raw(kind: 2, level: 0, index: 1 << 27), raw(kind: 2, level: 2, index: 512),
        raw(kind: 2, length: 2), raw(kind: 3, level: 1), raw(kind: 3, length: 0),
        raw(kind: 3, index: lastBlock, length: 2), raw(kind: 3, length: 1 << 36 + 1),
        raw(kind: 3, index: 1 << 40 - 1, length: 1 << 48 - 1), raw(kind: 4, index: 1),
        raw(kind: 4, level: 1), raw(kind: 4, length: 0), raw(kind: 5),
        raw(kind: 5, durable: 1, length: 0), raw(kind: 5, index: 1, length: 0),
    ])
    func beyondTheBound(_ bytes: [UInt8]) {
        #expect(Self.decode(bytes) == nil)
    }

    /// Whatever decodes has one encoding, and blocks that can be counted.
    @Test func bytesOfChance() {
        let seed = UInt64.random(in: 0 ... .max)
        print("bytesOfChance: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        var decoded = 0
        for _ in 0..<20_000 {
            var bytes = generator.bytes(16)
            // Mostly near what is valid, or chance would hardly ever hit it.
            bytes[0] = UInt8.random(in: 0...6, using: &generator)
            if Bool.random(using: &generator) { bytes[1] = 0 }
            if Bool.random(using: &generator) {
                bytes.replaceSubrange(9..<16, with: [0, 1, 0, 0, 0, 0, 0])
            }
            guard let descriptor = Self.decode(bytes) else { continue }
            decoded += 1
            #expect(Self.encode(descriptor) == bytes)
            #expect(descriptor.index + descriptor.length <= 1 << 36)
        }
        #expect(decoded > 0)
    }
}
