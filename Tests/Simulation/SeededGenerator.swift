import CryptoPrimitives

/// SplitMix64: a seed replays a run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// True in `percent` of a hundred cases.
    mutating func chance(_ percent: Int) -> Bool { next() % 100 < UInt64(percent) }

    mutating func number(in range: Range<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[number(in: 0..<elements.count)]
    }

    /// From `range`, small numbers as likely as large ones by their order of magnitude.
    mutating func magnitude(in range: Range<Int>) -> Int {
        var top = range.lowerBound + 1
        while top < range.upperBound, !chance(30) { top *= 2 }
        return number(in: range.lowerBound..<min(top, range.upperBound))
    }
}

/// Bytes that a seed decides.
final class SeededEntropy: Entropy, @unchecked Sendable {
    // @unchecked: used by who has the scheduler's turn.
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CryptoError) {
        for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: generator.next()) }
    }
}
