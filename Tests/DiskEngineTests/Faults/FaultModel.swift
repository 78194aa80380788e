import DiskFormat
import Testing

/// Which contents each block of a disk may have, given which calls succeeded and which threw. A
/// block's content is named by the version of the write that made it; 0 is a block of zeros.
struct FaultModel {
    static let blocks = 64

    /// What a read may give now, and what may be there after a power cut.
    private(set) var live = [Set<UInt8>](repeating: [0], count: blocks)
    private(set) var kept = [Set<UInt8>](repeating: [0], count: blocks)

    /// The bytes of `block` in a version: they tell which block they are, and are the same to the
    /// end, so that a block put together of two versions is neither.
    static func content(_ block: Int, _ version: UInt8) -> [UInt8] {
        var bytes = [UInt8](repeating: version, count: Format.blockSize)
        if version > 0 { bytes[0] = UInt8(block) }
        return bytes
    }

    static func content(_ blocks: Range<Int>, _ version: UInt8) -> [UInt8] {
        blocks.flatMap { content($0, version) }
    }

    mutating func wrote(_ range: Range<Int>, _ version: UInt8) {
        for block in range {
            live[block] = [version]
            kept[block].insert(version)
        }
    }

    /// A write or discard that threw: each block is as before or as it was to be.
    mutating func mayHaveWritten(_ range: Range<Int>, _ version: UInt8) {
        for block in range {
            live[block].insert(version)
            kept[block].insert(version)
        }
    }

    /// Everything before this is durable.
    mutating func flushed() { kept = live }

    /// A session ended with a failed flush, or power was cut: what is there is what was kept.
    mutating func sessionLost() { live = kept }

    /// A read gave this: from now on it is this and nothing else.
    mutating func observed(_ bytes: [UInt8]) {
        for block in live.indices {
            let found = live[block].filter {
                Self.content(block, $0)[...] == Self.part(bytes, block)
            }
            if !found.isEmpty { live[block] = found }
        }
    }

    private static func part(_ bytes: [UInt8], _ block: Int) -> ArraySlice<UInt8> {
        bytes[block * 4096..<(block + 1) * 4096]
    }

    /// The blocks of `bytes` that are none of what `allowed` permits.
    static func wrong(_ bytes: [UInt8], _ allowed: [Set<UInt8>]) -> [Int] {
        allowed.indices.filter { block in
            !allowed[block].contains { content(block, $0)[...] == part(bytes, block) }
        }
    }
}
