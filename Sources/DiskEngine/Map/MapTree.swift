import DequeModule
import DiskFormat

/// The map of one disk or snapshot: block number to address, as a tree of pages of which those in
/// use are in memory. Pure: it does no I/O and takes no lock; its owner holds a lock around every
/// call, and loads the pages that a call says it needs.
///
/// Invariants (`checkInvariants()`):
/// - A resident page's parent is resident, and counts it in `residentChildren`.
/// - A page that is dirty has dirty ancestors; one that is frozen has frozen ancestors.
/// - A frozen page never changes except that its children's addresses are filled in: who wants to
///   change it gets a copy.
/// - A clean page equals what its address holds in the store, or is all holes.
final class MapTree {
    let memory: MapMemory
    /// Where the root lies as last written; what counts while the root is not resident.
    var rootAddress: BlockAddress
    /// Blocks that are not holes.
    var storedBlocks: UInt64
    var pages: [PageID: MapPage] = [:]
    /// Dirty pages since the last cut; frozen pages that the checkpoint under way has yet to write.
    var dirty: [PageID: MapPage] = [:]
    var frozen: [PageID: MapPage] = [:]
    var epoch: UInt64 = 1
    /// Slots that it stopped reaching; nil where nobody asks, as with a snapshot.
    var deaths: Deaths?
    /// Resident pages in the order in which eviction looks at them, each once.
    var evictionQueue: Deque<PageID> = []

    init(root: BlockAddress, storedBlocks: UInt64, memory: MapMemory) {
        rootAddress = root
        self.storedBlocks = storedBlocks
        self.memory = memory
    }

    deinit { deaths?.forget() }

    enum Lookup {
        case resident(MapPage)
        /// Nothing is stored below the page of this level that covers the block.
        case hole(level: UInt8)
        /// The page must be loaded from this address first, then the call made again.
        case missing(PageID, BlockAddress)
    }

    /// The page `id`, or why it is not here.
    func find(_ id: PageID) -> Lookup {
        if let page = pages[id] {
            page.recentlyUsed = true
            return .resident(page)
        }
        guard id.level < MapGeometry.rootLevel else {
            return rootAddress.isHole ? .hole(level: id.level) : .missing(id, rootAddress)
        }
        switch find(id.parent) {
        case .resident(let parent):
            let address = BlockAddress(rawValue: parent.entries[id.entryInParent])
            return address.isHole ? .hole(level: id.level) : .missing(id, address)
        case let other: return other
        }
    }

    /// Makes a page that was loaded from `address` resident, if it is still wanted from there.
    func insert(_ page: MapPage, from address: BlockAddress) {
        guard case .missing(page.id, address) = find(page.id) else { return }
        page.stored = address
        adopt(page)
    }

    func adopt(_ page: MapPage) {
        if page.id.level < MapGeometry.rootLevel {
            // Resident by the first invariant: `find` or `leafForWriting` has just seen it.
            pages[page.id.parent]!.residentChildren += 1
        }
        pages[page.id] = page
        evictionQueue.append(page.id)
        if memory.isOverLimit { evict(atMost: 8) }
    }

    /// Drops up to `count` pages that can be had again from the store.
    func evict(atMost count: Int) {
        var left = count
        var looks = min(evictionQueue.count, 64 + 8 * count)
        while left > 0, looks > 0, let id = evictionQueue.popFirst() {
            looks -= 1
            guard let page = pages[id] else { continue }
            if page.epoch != 0 || page.pins > 0 || page.residentChildren > 0 || page.recentlyUsed {
                page.recentlyUsed = false
                evictionQueue.append(id)
                continue
            }
            pages[id] = nil
            pages[id.parent]?.residentChildren -= 1
            left -= 1
        }
    }
}

extension PageID {
    static func leaf(of block: BlockNumber) -> PageID { PageID(level: 0, covering: block) }
}
