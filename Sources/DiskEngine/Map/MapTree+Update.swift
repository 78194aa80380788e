import DiskFormat

// Plan pins the leaves that commit will change: commit finds them resident without any I/O.
extension MapTree {
    /// Makes the leaves of `blocks` resident and pins them until `unpin`.
    func pinLeaves(of blocks: Range<BlockNumber>) -> Step<Void> {
        for leaf in Self.leaves(of: blocks) {
            // Each is looked up when its turn comes, and pinned at once: making one page may evict
            // another that was seen before.
            if case .missing(let id, let address) = find(leaf) {
                let pinned = blocks.lowerBound..<max(blocks.lowerBound, leaf.blocks.lowerBound)
                if !pinned.isEmpty { unpin(pinned) }
                return .missing(id, address)
            }
            leafForWriting(leaf).pins += 1
        }
        return .done(())
    }

    func unpin(_ blocks: Range<BlockNumber>) {
        for leaf in Self.leaves(of: blocks) { pages[leaf]?.pins -= 1 }
    }

    func unpin(leaves: [PageID]) {
        for leaf in leaves { pages[leaf]?.pins -= 1 }
    }

    /// Publishes blocks that lie in consecutive slots from `address` on. Precondition: their leaves
    /// are pinned.
    func store(_ blocks: Range<BlockNumber>, at address: BlockAddress) {
        for leaf in Self.leaves(of: blocks) {
            // Resident because it is pinned.
            let entries = writable(pages[leaf]!).entries
            for block in blocks.clamped(to: leaf.blocks) {
                let entry = MapGeometry.entry(of: block, level: 0)
                let before = entries[entry]
                entries[entry] = address.rawValue + (block - blocks.lowerBound)
                if before == 0 { storedBlocks += 1 } else { deaths?.add(before) }
            }
        }
    }

    /// How far a discard of `blocks` may go in one log entry; the leaves it touches are pinned.
    func pinForDiscard(_ blocks: Range<BlockNumber>, leafLimit: Int)
        -> Step<(end: BlockNumber, leaves: [PageID])>
    {
        var block = blocks.lowerBound
        var leaves: [PageID] = []
        while block < blocks.upperBound, leaves.count < leafLimit {
            let leaf = PageID.leaf(of: block)
            switch find(leaf) {
            case .missing(let id, let address): return .missing(id, address)
            case .hole(let level):
                block = PageID(level: level, covering: block).blocks.upperBound
            case .resident:
                leaves.append(leaf)
                block = leaf.blocks.upperBound
            }
        }
        for leaf in leaves { pages[leaf]?.pins += 1 }
        return .done((min(block, blocks.upperBound), leaves))
    }

    /// Makes `blocks` holes and ends their leaves' pins. Precondition: `leaves` came from
    /// `pinForDiscard`, and every other leaf in the range was a hole then and still is (the range
    /// is claimed).
    func discard(_ blocks: Range<BlockNumber>, leaves: [PageID]) {
        for leaf in leaves {
            // Resident because it is pinned.
            var page = pages[leaf]!
            page.pins -= 1
            for block in blocks.clamped(to: leaf.blocks) {
                let entry = MapGeometry.entry(of: block, level: 0)
                let before = page.entries[entry]
                if before != 0 {
                    page = writable(page)
                    page.entries[entry] = 0
                    deaths?.addDiscarded(before)
                    // A plain disk's checkpoint may claim too few: nothing protects it but sums.
                    if storedBlocks > 0 { storedBlocks -= 1 }
                }
            }
        }
    }

    private static func leaves(of blocks: Range<BlockNumber>) -> some Sequence<PageID> {
        let first = MapGeometry.pageIndex(of: blocks.lowerBound, level: 0)
        let last = MapGeometry.pageIndex(of: blocks.upperBound - 1, level: 0)
        return (first...last).lazy.map { PageID(level: 0, index: $0) }
    }

    /// The resident page, or a new empty one with the ancestors it needs.
    /// Precondition: `find` of this page did not say `.missing`.
    private func leafForWriting(_ id: PageID) -> MapPage {
        if let page = pages[id] { return page }
        if id.level < MapGeometry.rootLevel {
            // Pinned meanwhile: adopting the child may evict, and must not evict its parent.
            let parent = leafForWriting(id.parent)
            parent.pins += 1
            defer { parent.pins -= 1 }
            return adoptEmpty(id)
        }
        return adoptEmpty(id)
    }

    private func adoptEmpty(_ id: PageID) -> MapPage {
        let page = MapPage(id, memory: memory)
        page.pins += 1
        defer { page.pins -= 1 }
        adopt(page)
        return page
    }

    /// The page as it may be changed now: dirty, with dirty ancestors; a copy if it was frozen.
    private func writable(_ page: MapPage) -> MapPage {
        if page.epoch == epoch { return page }
        if page.id.level < MapGeometry.rootLevel {
            _ = writable(pages[page.id.parent]!)  // resident: a resident page's parent is
        }
        let changed = page.epoch == 0 ? page : page.takeOverCopy()
        changed.epoch = epoch
        pages[page.id] = changed
        dirty[page.id] = changed
        return changed
    }
}
