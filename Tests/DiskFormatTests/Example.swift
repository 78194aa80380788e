import CryptoPrimitives

@testable import DiskFormat

/// Fixed inputs of the golden values. Those were computed by a script that shares no code with this
/// program, from the byte tables alone.
enum Example {
    static let lineage = LineageID(bytes: Array(0...15))
    static let dataKey: [UInt8] = Array(0x20..<0x40)
    static let salt: [UInt8] = Array(0xa0..<0xc0)
    static let chunk = ChunkNumber(lane: 5, sequence: 7)
    static let before = ChunkNumber(lane: 5, sequence: 6)
    static let body: [UInt8] = (0..<Format.blockSize).map {
        UInt8(truncatingIfNeeded: $0 * 7 + $0 / 256)
    }
    /// Constants of valid form, here and below.
    static let disk = DiskID("d-00000000000000000abc")!
    static let snapshot = SnapshotID("s-00000000000000000xyz")!
    static let layout = ChunkLayout(slotCount: 8192)!
    static let suites: [Suite] = [.aes256GCM, .plain]

    static func keys(
        _ suite: Suite = .aes256GCM, lineage: LineageID = lineage, epoch: UInt32 = 3,
        dataKey: [UInt8] = dataKey
    ) throws -> LineageKeys {
        guard suite == .aes256GCM else { return try .plain(lineage) }
        let secret = try SecretBytes(count: dataKey.count) { $0.copyBytes(from: dataKey) }
        return try LineageKeys(
            lineage: lineage, suite: suite, epoch: epoch, dataKey: secret)
    }

    static func cipher(_ suite: Suite) throws -> ChunkCipher {
        try keys(suite).cipher(forChunk: chunk, salt: salt)
    }
}

/// The bytes that hexadecimal digits stand for; spaces and line ends between them do not count.
func hex(_ digits: String) -> [UInt8] {
    let values = digits.compactMap { $0.hexDigitValue.map { UInt8($0) } }
    return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
}

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

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

extension [UInt8] {
    func flipping(bit: Int) -> [UInt8] {
        var bytes = self
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        return bytes
    }

    /// These bytes with little-endian `value` at `offset`.
    func with(_ value: some FixedWidthInteger & UnsignedInteger, at offset: Int) -> [UInt8] {
        var bytes = self
        for byte in 0..<value.bitWidth / 8 {
            bytes[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte))
        }
        return bytes
    }
}
