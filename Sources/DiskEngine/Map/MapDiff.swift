import DiskFormat

/// Consecutive blocks in which a map differs from an older one of its lineage.
struct MapChange: Equatable {
    var blocks: Range<BlockNumber>
    /// Whether they are holes in the newer map; else they hold data there.
    let isHole: Bool
}

/// The blocks in which two maps of a lineage differ, in ascending order. Both are in the store in
/// full: maps of snapshots.
///
/// An address names one content for ever, so pages with one address are equal with all that lies
/// below them, and are not looked into. So the time it takes is in proportion to the difference;
/// of each map one path of pages is needed in memory at a time. Blocks that were written anew with
/// what they held before count as changed.
struct MapDiff {
    /// nil: the difference to nothing, which is all that is stored.
    let older: MapReader?
    let newer: MapReader

    /// Steps of one call at most, each over a leaf that differs or over what is equal: neighbours
    /// are joined, so few changes may take long to find.
    private static let mostSteps = 4096

    /// Changes among `blocks`, neighbours joined: those of so many leaves that there are `limit`
    /// of them or more, or fewer after many steps; and from where to go on, nil at the
    /// end.
    func changes(in blocks: Range<BlockNumber>, limit: Int) throws
        -> (changes: [MapChange], next: BlockNumber?)
    {
        var changes: [MapChange] = []
        var block = blocks.lowerBound
        var steps = 0
        while block < blocks.upperBound {
            if changes.count >= limit || steps == Self.mostSteps { return (changes, block) }
            block = try step(in: block..<blocks.upperBound, into: &changes)
            steps += 1
        }
        return (changes, nil)
    }

    /// Passes over what is equal, or compares one leaf. Returns how far it came.
    func step(in blocks: Range<BlockNumber>, into changes: inout [MapChange]) throws
        -> BlockNumber
    {
        // From the root down, so that the larger of two equal subtrees is passed over at once.
        for level in (0...MapGeometry.rootLevel).reversed() {
            let page = PageID(level: level, covering: blocks.lowerBound)
            if try newer.address(of: page) == ofOlder({ try $0.address(of: page) }) ?? .hole {
                return min(blocks.upperBound, page.blocks.upperBound)
            }
        }
        let leaf = PageID.leaf(of: blocks.lowerBound)
        let new = try newer.entries(ofLeaf: leaf)
        let old = try ofOlder { try $0.entries(ofLeaf: leaf) }
        for block in leaf.blocks.clamped(to: blocks) {
            let entry = MapGeometry.entry(of: block, level: 0)
            if new[entry] != old?[entry] ?? 0 { changes.add(block, isHole: new[entry] == 0) }
        }
        return min(blocks.upperBound, leaf.blocks.upperBound)
    }
}

/// What failed was the older of two maps.
struct OlderMapFailure: Error {
    let cause: any Error
}

extension MapDiff {
    fileprivate func ofOlder<R>(_ look: (MapReader) throws -> R) throws -> R? {
        do { return try older.map(look) } catch { throw OlderMapFailure(cause: error) }
    }
}

extension [MapChange] {
    fileprivate mutating func add(_ block: BlockNumber, isHole: Bool) {
        if let last = indices.last, self[last].isHole == isHole,
            self[last].blocks.upperBound == block
        {
            self[last].blocks = self[last].blocks.lowerBound..<block + 1
        } else {
            append(MapChange(blocks: block..<block + 1, isHole: isHole))
        }
    }
}

extension MapReader {
    /// Where the store has a page of the map. Takes the lock; loads the pages above.
    func address(of page: PageID) throws -> BlockAddress {
        try monitor.withLock { try planned { $0.address(of: page) } }
    }

    /// Takes the lock.
    func entries(ofLeaf leaf: PageID) throws -> [UInt64] {
        try monitor.withLock {
            try planned { tree in
                switch tree.find(leaf) {
                case .missing(let id, let address): return .missing(id, address)
                case .hole: return .done(Array(repeating: 0, count: MapGeometry.fanOut))
                case .resident(let page):
                    return .done(
                        Array(UnsafeBufferPointer(start: page.entries, count: MapGeometry.fanOut)))
                }
            }
        }
    }
}

extension MapTree {
    fileprivate func address(of id: PageID) -> Step<BlockAddress> {
        guard id.level < MapGeometry.rootLevel else { return .done(rootAddress) }
        switch find(id.parent) {
        case .missing(let id, let address): return .missing(id, address)
        case .hole: return .done(.hole)
        case .resident(let parent):
            return .done(BlockAddress(rawValue: parent.entries[id.entryInParent]))
        }
    }
}
