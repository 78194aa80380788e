import DiskFormat
import Synchronization

/// What is dead in one chunk.
struct ChunkSpace {
    /// As the chunk's header says, or as its disk makes them.
    var slotCount: Int
    /// Slots that nothing reaches and no recovery needs.
    private(set) var dead: SlotBitmap
    /// Those of them whose space was not given back; nil if there are none.
    private(set) var waiting: SlotBitmap?

    init(slotCount: Int) {
        self.slotCount = slotCount
        dead = SlotBitmap(slotCount: slotCount)
    }

    /// All that a walk of the maps did not reach; what was given back before stays so.
    init(slotCount: Int, live: SlotBitmap?, after old: ChunkSpace?) {
        self.slotCount = slotCount
        dead = (live ?? SlotBitmap(slotCount: 0)).complement(slotCount: slotCount)
        let waiting = old.map { dead.subtracting($0.givenBack) } ?? dead
        self.waiting = waiting.count > 0 ? waiting : nil
    }

    var waitingCount: Int { waiting?.count ?? 0 }
    /// Blocks that stay.
    var liveCount: Int { max(0, slotCount - dead.count) }
    private var givenBack: SlotBitmap { waiting.map { dead.subtracting($0) } ?? dead }
    /// Words of memory.
    var size: Int { dead.words.count + (waiting?.words.count ?? 0) }

    mutating func die(_ slot: Int) {
        guard dead.insert(slot) else { return }
        if waiting == nil { waiting = SlotBitmap(slotCount: slotCount) }
        waiting?.insert(slot)
    }

    /// The runs of dead slots to be given back now.
    var runsToGiveBack: [Range<Int>] {
        waiting.map { dead.runs(holding: $0, slotCount: slotCount) } ?? []
    }

    mutating func gaveBack() { waiting = nil }

    /// The chunk turned out to be of another size than its disk's chunks are now.
    mutating func correct(slotCount real: Int) {
        guard real != slotCount else { return }
        slotCount = real
        let all = SlotBitmap(slotCount: 0).complement(slotCount: real)
        dead = all.intersection(dead)
        waiting = waiting.map { all.intersection($0) }
    }
}

/// What reclamation knows of a lineage's chunks while the lineage's key is in memory. A chunk that
/// is not here is presumed to live, all of it.
///
/// Used by one pass at a time (`Store.passes`); only the figures are read by others.
final class LineageSpace: @unchecked Sendable {
    // @unchecked: all but the atomics is accessed under `Store.passes`.
    private var chunks: [ChunkNumber: ChunkSpace] = [:]
    /// Those of them with something to give back.
    private var waitingChunks: Set<ChunkNumber> = []
    /// Per lane of a disk: the first sequence that its recovery may need, as last seen. It only
    /// rises, so whatever was below once is free to go for ever.
    var protectedFrom: [UInt16: UInt32] = [:]
    /// Whether every dead slot is known, but for what the attached disks still have to tell.
    private(set) var isMarked = false
    private let memory: MapMemory
    private var words = 0
    private var charged = 0
    private let waiting = Atomic<Int>(0)
    private let known = Atomic<Bool>(false)

    init(memory: MapMemory) { self.memory = memory }

    deinit { memory.adjust(by: -charged) }

    /// Blocks that are dead and not given back.
    var waitingBlocks: Int { waiting.load(ordering: .relaxed) }

    /// Whether the maps were walked to their end since the key came into memory.
    var isKnown: Bool { known.load(ordering: .relaxed) }

    /// What it may hold of map memory, in pages: a quarter.
    static func limit(of memory: MapMemory) -> Int { memory.limitPages / 4 }

    /// The chunks that have something to give back and that no recovery needs.
    var candidates: [ChunkNumber] {
        waitingChunks.filter { $0.sequence < protectedFrom[$0.lane] ?? .max }.sorted()
    }

    subscript(number: ChunkNumber) -> ChunkSpace? {
        get { chunks[number] }
        set {
            let old = chunks.removeValue(forKey: number)
            chunks[number] = newValue
            if newValue?.waiting == nil {
                waitingChunks.remove(number)
            } else {
                waitingChunks.insert(number)
            }
            words += (newValue?.size ?? 0) - (old?.size ?? 0)
            waiting.wrappingAdd(
                (newValue?.waitingCount ?? 0) - (old?.waitingCount ?? 0), ordering: .relaxed)
            let needed = (words * 8 + Format.blockSize - 1) / Format.blockSize
            memory.adjust(by: needed - charged)
            charged = needed
        }
    }

    /// Consecutive slots of a chunk died; chunks of their lane are made with `slotCount` slots.
    func die(_ run: Deaths.Run, slotCount: Int) {
        var left = run
        while left.count > 0 {
            let address = BlockAddress(rawValue: left.first)
            let count = min(left.count, UInt64(1 << 20) - UInt64(address.slot))
            var space = self[address.chunk] ?? ChunkSpace(slotCount: slotCount)
            self[address.chunk] = nil
            for slot in UInt64(address.slot)..<UInt64(address.slot) + count {
                space.die(Int(slot))
            }
            self[address.chunk] = space
            left = .init(first: left.first + count, count: left.count - count)
        }
    }

    /// The maps were walked, and what they told is in here; or there is too much of it.
    func marked(isComplete: Bool) {
        isMarked = isComplete
        known.store(true, ordering: .relaxed)
        if !isComplete { forget() }
    }

    /// Keeps to its share of memory: what exceeds it is known no more.
    func bound() { if charged > Self.limit(of: memory) { forget() } }

    /// Presumes all chunks to live until the maps are walked again.
    func forget() {
        for number in chunks.keys { self[number] = nil }
        isMarked = false
    }
}
