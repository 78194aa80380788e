import DiskFormat

/// The block ranges that operations change, in the order in which they asked. An operation holds
/// one claim at most, from before its plan to its last commit, and goes on when it overlaps nobody
/// who asked before it: so claims cannot deadlock, and a large one does not starve.
struct Claims {
    private var ranges: [(id: UInt64, blocks: Range<BlockNumber>)] = []
    private var nextID: UInt64 = 0
    /// Operations whose turn has not come.
    var waiting = 0

    mutating func enter(_ blocks: Range<BlockNumber>) -> UInt64 {
        nextID += 1
        ranges.append((nextID, blocks))
        return nextID
    }

    /// Whether nobody who entered earlier and has not ended overlaps the claim.
    func isTurn(of id: UInt64) -> Bool {
        // Present from `enter` to `end`.
        let index = ranges.firstIndex { $0.id == id }!
        return !ranges[..<index].contains { $0.blocks.overlaps(ranges[index].blocks) }
    }

    mutating func end(_ id: UInt64) {
        ranges.removeAll { $0.id == id }
    }
}
