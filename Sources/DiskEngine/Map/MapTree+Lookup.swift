import DiskFormat

/// Consecutive blocks of a disk that lie in consecutive slots of one chunk, or are a hole.
struct Extent {
    let address: BlockAddress
    var count: Int
}

extension MapTree {
    enum Step<Value> {
        case done(Value)
        /// A page must be loaded, then the call made again.
        case missing(PageID, BlockAddress)
    }

    /// Where `blocks` lie, in order, appended to `extents` (which is emptied first).
    func lookUp(_ blocks: Range<BlockNumber>, into extents: inout [Extent]) -> Step<Void> {
        extents.removeAll(keepingCapacity: true)
        var block = blocks.lowerBound
        while block < blocks.upperBound {
            let leaf = PageID.leaf(of: block)
            let end = min(blocks.upperBound, leaf.blocks.upperBound)
            switch find(leaf) {
            case .missing(let id, let address): return .missing(id, address)
            case .hole: extents.extend(with: .hole, count: Int(end - block))
            case .resident(let page):
                for block in block..<end {
                    let raw = page.entries[MapGeometry.entry(of: block, level: 0)]
                    extents.extend(with: BlockAddress(rawValue: raw), count: 1)
                }
            }
            block = end
        }
        return .done(())
    }

    /// What one look of a search for data or for a hole tells.
    enum Search {
        case found(BlockNumber)
        /// It is not before this block, where the search goes on.
        case notBefore(BlockNumber)
    }

    /// Looks for the first block from `block` on that holds data, or the first that is a hole, as
    /// asked: in one leaf, or past all that a missing page of any level leaves empty. It may find
    /// one behind the end of the disk.
    func search(forData data: Bool, from block: BlockNumber) -> Step<Search> {
        let leaf = PageID.leaf(of: block)
        switch find(leaf) {
        case .missing(let id, let address): return .missing(id, address)
        case .hole(let level):
            let end = PageID(level: level, covering: block).blocks.upperBound
            return .done(data ? .notBefore(end) : .found(block))
        case .resident(let page):
            for block in block..<leaf.blocks.upperBound {
                let isHole = page.entries[MapGeometry.entry(of: block, level: 0)] == 0
                if isHole != data { return .done(.found(block)) }
            }
            return .done(.notBefore(leaf.blocks.upperBound))
        }
    }
}

extension [Extent] {
    fileprivate mutating func extend(with address: BlockAddress, count: Int) {
        if let last = indices.last {
            let lies = self[last].address
            let follows =
                lies.isHole
                ? address.isHole
                : !address.isHole && address.chunk == lies.chunk
                    && address.slot == lies.slot + UInt32(self[last].count)
            if follows {
                self[last].count += count
                return
            }
        }
        append(Extent(address: address, count: count))
    }
}
