import DiskFormat

extension MapTree {
    /// The cut: what is dirty now is frozen for the checkpoint; later changes go to copies.
    /// Precondition: no checkpoint is under way.
    func freeze() {
        precondition(frozen.isEmpty)  // Disk+Checkpoint runs one at a time
        // The empty one has grown before: growing it again would hold up writers.
        swap(&frozen, &dirty)
        epoch += 1
    }

    /// A frozen page was written at `address`, or is all holes and needs no writing (`.hole`).
    /// Precondition: its frozen children were written before.
    func written(_ page: MapPage, at address: BlockAddress) {
        frozen[page.id] = nil
        let isLive = pages[page.id] === page
        if !page.stored.isHole { deaths?.add(page.stored.rawValue) }
        page.stored = address
        // A copy made since the cut takes the place of this version when it is written in turn.
        if !isLive { pages[page.id]?.stored = address }
        if page.id.level == MapGeometry.rootLevel {
            rootAddress = address
        } else {
            // Frozen with its child, by the second invariant, and written after it.
            let parent = frozen[page.id.parent]!
            parent.entries[page.id.entryInParent] = address.rawValue
            // A parent copied since the cut must learn where its unchanged child went.
            if isLive, let live = pages[page.id.parent], live !== parent {
                live.entries[page.id.entryInParent] = address.rawValue
            }
        }
        if isLive { page.epoch = 0 }
    }

    /// The checkpoint failed: what was frozen and did not change since is dirty again.
    func thaw() {
        for (id, page) in frozen where pages[id] === page {
            page.epoch = epoch
            dirty[id] = page
        }
        frozen = [:]
    }

    /// Forgets the map and takes another, all of whose pages are in the store (rollback).
    /// Precondition: no page is pinned.
    func replace(root: BlockAddress, storedBlocks: UInt64) {
        precondition(pages.values.allSatisfy { $0.pins == 0 })  // the disk is not open
        pages = [:]
        dirty = [:]
        frozen = [:]
        evictionQueue = []
        rootAddress = root
        self.storedBlocks = storedBlocks
    }
}
