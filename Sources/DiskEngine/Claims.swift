import DiskFormat

/// The block ranges that operations are changing. An operation holds one claim at most, from before
/// its plan to its last commit, so claims cannot deadlock; whoever overlaps waits.
struct Claims {
    private var ranges: [(id: UInt64, blocks: Range<BlockNumber>)] = []
    private var nextID: UInt64 = 0
    /// Operations that wait for a claim to end.
    var waiting = 0

    /// The claim's id, or nil if the range overlaps one that is held.
    mutating func claim(_ blocks: Range<BlockNumber>) -> UInt64? {
        for range in ranges where range.blocks.overlaps(blocks) { return nil }
        nextID += 1
        ranges.append((nextID, blocks))
        return nextID
    }

    mutating func end(_ id: UInt64) {
        ranges.removeAll { $0.id == id }
    }
}
