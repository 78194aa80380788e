import DiskFormat

extension MapTree {
    /// Traps if an invariant listed at `MapTree` does not hold. For tests, after every step.
    func checkInvariants() {
        var children: [PageID: Int] = [:]
        for (id, page) in pages {
            precondition(page.id == id)
            if id.level < MapGeometry.rootLevel {
                let parent = pages[id.parent]
                precondition(parent != nil, "a resident page without its parent")
                children[id.parent, default: 0] += 1
                if page.epoch == epoch {
                    precondition(parent?.epoch == epoch, "a dirty page under a clean one")
                }
            }
            precondition((page.epoch == epoch) == (dirty[id] === page))
            precondition(page.pins >= 0)
        }
        for (id, page) in pages {
            precondition(page.residentChildren == children[id, default: 0])
        }
        for id in frozen.keys where id.level < MapGeometry.rootLevel {
            precondition(frozen[id.parent] != nil, "a frozen page under one that is not")
        }
        precondition(Set(evictionQueue).isSuperset(of: pages.keys))
    }
}
