import DiskFormat
import Synchronization

/// Names a page of a disk's map: its level (0 leaf to 3 root) and its index within the level.
struct PageID: Hashable {
    private let raw: UInt64

    init(level: UInt8, index: UInt64) { raw = UInt64(level) << 56 | index }

    /// The page of `level` that covers `block`.
    init(level: UInt8, covering block: BlockNumber) {
        self.init(level: level, index: MapGeometry.pageIndex(of: block, level: level))
    }

    static let root = PageID(level: MapGeometry.rootLevel, index: 0)

    var level: UInt8 { UInt8(truncatingIfNeeded: raw >> 56) }
    var index: UInt64 { raw & (1 << 56 - 1) }
    var parent: PageID { PageID(level: level + 1, index: index >> MapGeometry.fanOutBits) }
    /// The page below that an entry of this one names.
    func child(_ entry: Int) -> PageID {
        PageID(level: level - 1, index: index << MapGeometry.fanOutBits | UInt64(entry))
    }
    var entryInParent: Int { Int(truncatingIfNeeded: index & 511) }
    /// The blocks that the page maps.
    var blocks: Range<BlockNumber> {
        let count = MapGeometry.blocks(belowPageAt: level)
        return index * count..<(index + 1) * count
    }
}

/// One page of a map in memory: 512 addresses, in the format's own bytes.
final class MapPage {
    let id: PageID
    let entries: UnsafeMutablePointer<UInt64>
    /// 0: as in the store. Else the tree's epoch when the page last changed: dirty if that is the
    /// tree's present epoch, frozen for the checkpoint under way if it is an older one.
    var epoch: UInt64 = 0
    /// Where the version of it lies that the store has; a hole if it has none.
    var stored = BlockAddress.hole
    /// Operations between plan and commit that will change the page; it stays resident.
    var pins = 0
    var residentChildren = 0
    var recentlyUsed = true
    private let memory: MapMemory

    /// A page of holes.
    init(_ id: PageID, memory: MapMemory) {
        self.id = id
        self.memory = memory
        // Aligned to pages it would take two of them: the allocator keeps its own words in front.
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: Format.blockSize, alignment: 16)
        entries = bytes.initializeMemory(as: UInt64.self, repeating: 0, count: MapGeometry.fanOut)
        memory.pageAppeared()
    }

    deinit {
        entries.deallocate()
        memory.pageVanished()
    }

    /// A copy that takes over what operations hold of the original.
    func takeOverCopy() -> MapPage {
        let copy = MapPage(id, memory: memory)
        copy.entries.update(from: entries, count: MapGeometry.fanOut)
        copy.stored = stored
        copy.pins = pins
        copy.residentChildren = residentChildren
        return copy
    }

    var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: entries, count: Format.blockSize)
    }

    var isAllHoles: Bool {
        for index in 0..<MapGeometry.fanOut where entries[index] != 0 { return false }
        return true
    }
}
