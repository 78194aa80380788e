import DiskFormat

/// Sectors filled with their write's stamp: word 0 the stamp, word 1 the sector's number on its
/// disk, the rest the stamp again.
enum Content {
    static let sectorSize = 512
    private static let words = sectorSize / 8

    static func bytes(_ stamp: History.Stamp, _ sectors: Range<Int>) -> [UInt8] {
        var words = [UInt64](repeating: stamp, count: sectors.count * Self.words)
        for (index, sector) in sectors.enumerated() {
            words[index * Self.words + 1] = UInt64(sector)
        }
        return words.withUnsafeBytes { Array($0) }
    }

    struct Torn: Error, CustomStringConvertible {
        let description: String
    }

    /// The stamps of what was read of these sectors. Throws if one is no sector that was written.
    static func stamps(_ bytes: [UInt8], _ sectors: Range<Int>) throws -> [History.Stamp] {
        try bytes.withUnsafeBytes { raw in
            let found = raw.assumingMemoryBound(to: UInt64.self)
            return try sectors.enumerated().map { index, sector in
                let sectorWords = found[index * words..<(index + 1) * words]
                let stamp = sectorWords[sectorWords.startIndex]
                var difference: UInt64 = 0
                for word in sectorWords.dropFirst(2) { difference |= word ^ stamp }
                let number = sectorWords[sectorWords.startIndex + 1]
                guard difference == 0, number == (stamp == 0 ? 0 : UInt64(sector)) else {
                    throw Torn(
                        description: "sector \(sector) is torn or another's: \(stamp), \(number)")
                }
                return stamp
            }
        }
    }
}
