import DiskFormat

/// A set of addresses of map pages. Pages of a checkpoint lie side by side, so 64 of them are a
/// word.
struct PageSet {
    private var words: [UInt64: UInt64] = [:]
    /// About what an entry of the dictionary takes.
    private static let bytesPerWord = 32

    var bytes: Int { words.capacity * Self.bytesPerWord }

    func contains(_ address: BlockAddress) -> Bool {
        words[address.rawValue >> 6].map { $0 & Self.bit(address) != 0 } ?? false
    }

    /// Whether it was new.
    mutating func insert(_ address: BlockAddress) -> Bool {
        let bit = Self.bit(address)
        let old = words[address.rawValue >> 6, default: 0]
        guard old & bit == 0 else { return false }
        words[address.rawValue >> 6] = old | bit
        return true
    }

    private static func bit(_ address: BlockAddress) -> UInt64 { 1 << (address.rawValue & 63) }
}
