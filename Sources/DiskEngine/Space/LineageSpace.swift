import DiskFormat
import Synchronization

/// What is dead in one chunk.
struct ChunkSpace {
    /// Of the dead slots, those whose space was given back. Most chunks are in one of the first two
    /// states, and need one bitmap.
    private enum GivenBack {
        case none, all
        case some(SlotBitmap)
    }

    /// As the chunk's header says, or as its disk makes them.
    var slotCount: Int
    /// Slots that nothing reaches and no recovery needs.
    private(set) var dead: SlotBitmap
    private var given: GivenBack

    init(slotCount: Int) {
        self.slotCount = slotCount
        dead = SlotBitmap(slotCount: slotCount)
        given = .none
    }

    /// All that a walk of the maps did not reach; what was given back before stays so.
    init(slotCount: Int, live: SlotBitmap?, after old: ChunkSpace?) {
        self.slotCount = slotCount
        dead = (live ?? SlotBitmap(slotCount: 0)).complement(slotCount: slotCount)
        given = .none
        guard let old else { return }
        let before = dead.intersection(old.givenBack)
        if before.count > 0 { given = before.count == dead.count ? .all : .some(before) }
    }

    /// Dead slots that were not given back.
    var waitingCount: Int {
        switch given {
        case .none: dead.count
        case .all: 0
        case .some(let given): dead.count - given.count
        }
    }
    /// Blocks that stay.
    var liveCount: Int { max(0, slotCount - dead.count) }
    /// Words of memory.
    var size: Int {
        if case .some(let given) = given {
            dead.words.count + given.words.count
        } else {
            dead.words.count
        }
    }

    private var givenBack: SlotBitmap {
        switch given {
        case .none: SlotBitmap(slotCount: 0)
        case .all: dead
        case .some(let given): given
        }
    }

    mutating func die(_ slot: Int) {
        if case .all = given, !dead.contains(slot) { given = .some(dead) }
        dead.insert(slot)
    }

    /// The runs of dead slots to be given back now.
    var runsToGiveBack: [Range<Int>] {
        dead.runs(holding: dead.subtracting(givenBack), slotCount: slotCount)
    }

    mutating func gaveBack() { given = .all }

    /// The chunk turned out to be of another size than its disk's chunks are now.
    mutating func correct(slotCount real: Int) {
        guard real != slotCount else { return }
        slotCount = real
        let all = SlotBitmap(slotCount: 0).complement(slotCount: real)
        dead = all.intersection(dead)
        if case .some(let old) = given { given = .some(all.intersection(old)) }
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
            if newValue?.waitingCount ?? 0 == 0 {
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
