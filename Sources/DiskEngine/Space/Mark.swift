import DiskFormat

/// Walks maps from their roots, each shared page once, and notes which slots of some chunks are
/// reached. It takes no lock, and keeps no chunk open that others have not.
///
/// Its memory counts as the map's does: a bit for each slot of the chunks in question (the caller
/// asks for few enough at a time), a bit or a few for each page. Should the pages come to too many,
/// leaves are not kept any more: those that several maps share are read again then.
final class Mark {
    private let lineage: Lineage
    private let memory: MapMemory
    private let shouldLeave: () -> Bool
    private let chunks: ClosedRange<ChunkNumber>?
    private let pages: MarkPages
    /// By the chunk's raw number: of those in question the slots, of all others that they are used.
    private var reached: [UInt64: ReachedChunk] = [:]
    private var current = ReachedChunk(isInQuestion: false)
    private var currentChunk: UInt64 = 0  // no chunk's
    private var visited = PageSet()
    private var words = 0
    private var charged = 0

    private final class ReachedChunk {
        let isInQuestion: Bool
        var slots = SlotBitmap(slotCount: 0)
        var highest: UInt64 = 0

        init(isInQuestion: Bool) { self.isInQuestion = isInQuestion }
    }

    /// Notes what is reached in `chunks`.
    init(
        _ lineage: Lineage, memory: MapMemory, chunks: ClosedRange<ChunkNumber>?,
        shouldLeave: @escaping () -> Bool
    ) {
        self.lineage = lineage
        self.memory = memory
        self.chunks = chunks
        self.shouldLeave = shouldLeave
        pages = MarkPages(lineage)
    }

    deinit { memory.adjust(by: -charged) }

    /// The slots of a chunk that are reached; nil if there are none.
    func live(_ chunk: ChunkNumber) -> SlotBitmap? { reached[chunk.rawValue]?.slots }

    /// Whether any slot of the chunk is reached, in question or not.
    func isReached(_ chunk: ChunkNumber) -> Bool { reached[chunk.rawValue] != nil }

    /// The chunks reached so far.
    var reachedChunks: some Sequence<ChunkNumber> {
        reached.keys.lazy.map { BlockAddress(rawValue: $0 << 20).chunk }
    }

    /// The highest address reached in a lane so far; 0 if there is none.
    func highest(inLane lane: UInt16) -> UInt64 {
        reached.values.lazy.map(\.highest).filter { $0 >> 52 == UInt64(lane) }.max() ?? 0
    }

    /// Adds what is reached from roots; false if the work was to be left before its end.
    func add(_ roots: some Sequence<BlockAddress>) throws -> Bool {
        for root in roots where !root.isHole {
            note(root.rawValue)
            if visited.insert(root) {
                try visitChildren(of: .root, try pages.read(.root, at: root))
            }
        }
        charge()
        return !shouldLeave()
    }

    /// Adds slots that are reached by themselves.
    func add(slots: some Sequence<BlockAddress>) {
        for slot in slots { note(slot.rawValue) }
    }

    private func note(_ address: UInt64) {
        if address >> 20 != currentChunk { enter(address >> 20) }
        if address > current.highest { current.highest = address }
        if current.isInQuestion { current.slots.insert(Int(address & 0xF_FFFF)) }
    }

    private func enter(_ chunk: UInt64) {
        words += current.slots.words.count
        currentChunk = chunk
        if let known = reached[chunk] {
            current = known
            words -= known.slots.words.count
        } else {
            current = ReachedChunk(
                isInQuestion: chunks?.contains(BlockAddress(rawValue: chunk << 20).chunk) ?? false)
            reached[chunk] = current
        }
    }

    /// Whether a page was not visited yet. Beyond its share of memory only inner pages are kept.
    private func isNew(_ address: UInt64, level: UInt8) -> Bool {
        let address = BlockAddress(rawValue: address)
        if level == 0, visited.bytes > memory.limitPages * Format.blockSize / 8 {
            return !visited.contains(address)
        }
        return visited.insert(address)
    }

    private func charge() {
        let needed = (words * 8 + visited.bytes) / Format.blockSize + MarkPages.mostLeaves
        memory.adjust(by: needed - charged)
        charged = needed
    }

    private func visitChildren(of id: PageID, _ entries: UnsafePointer<UInt64>) throws {
        if id.level == 0 {
            for entry in 0..<MapGeometry.fanOut where entries[entry] != 0 { note(entries[entry]) }
            return
        }
        charge()
        memory.relieve()
        var entry = 0
        while entry < MapGeometry.fanOut, !shouldLeave() {
            let first = entry
            entry += 1
            guard entries[first] != 0 else { continue }
            note(entries[first])
            guard isNew(entries[first], level: id.level - 1) else { continue }
            if id.level > 1 {
                let child = id.child(first)
                try visitChildren(
                    of: child, pages.read(child, at: BlockAddress(rawValue: entries[first])))
                continue
            }
            // Leaves that a checkpoint wrote one after another are read together.
            while entry < MapGeometry.fanOut, entry - first < MarkPages.mostLeaves,
                entries[entry] == entries[entry - 1] + 1,
                entries[entry] >> 20 == entries[first] >> 20, isNew(entries[entry], level: 0)
            {
                note(entries[entry])
                entry += 1
            }
            let count = entry - first
            let leaves = try pages.readLeaves(
                id.child(first), count, at: BlockAddress(rawValue: entries[first]))
            for leaf in 0..<count {
                try visitChildren(of: id.child(first + leaf), leaves + leaf * MapGeometry.fanOut)
            }
        }
    }
}
