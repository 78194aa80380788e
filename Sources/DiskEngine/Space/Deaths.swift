import DiskFormat

/// Slots of a disk's own lane that its map stopped reaching, as writers overwrite and discard.
///
/// They are dead for good once two things are true. No checkpoint that recovery may go back to
/// reaches them: they died before the cut of the older one. And nobody else does: snapshots, and
/// what was made from them. An address in the disk's lane can be reached from elsewhere only if it
/// was written before the last snapshot of the disk was taken, for a root is written after
/// everything that it leads to: so whatever lies above `bound` was never anybody else's.
///
/// Guarded by the disk's monitor; every call takes moments.
struct Deaths {
    /// Consecutive addresses.
    struct Run {
        var first: UInt64
        var count: UInt64
    }

    /// Those that died between two cuts.
    struct Interval {
        let position: UInt64
        fileprivate(set) var bound: UInt64
        fileprivate let runs: [Run]
        fileprivate var own: Int

        /// Those that nobody else can reach.
        var certain: some Sequence<Run> { runs.lazy.filter { [bound] in $0.first > bound } }
    }

    let lane: UInt16
    private let memory: MapMemory
    private var current: [Run] = []
    /// Oldest first.
    private var cut: [Interval] = []
    /// Addresses up to here may be reached by others; all may until it is known (`.max`).
    private(set) var bound: UInt64 = .max
    /// Whether `bound` is as low as the roots allow; else it is where the session began.
    var isBoundExact = false
    /// Slots in it that lie above `bound`, and the others.
    private(set) var own = 0
    private(set) var doubtful = 0
    /// Those of them that died of discards since they were last taken.
    var discarded = 0
    /// Set when there were too many to keep: only a walk of the maps can tell them now.
    private(set) var isIncomplete = false
    /// Slots worth a pass of reclamation at which one is asked for next.
    var askAt = 0
    /// Pages of map memory that it takes.
    private var charged = 0
    private var runCount = 0

    static let runsPerPage = Format.blockSize / MemoryLayout<Run>.size

    init(lane: UInt16, memory: MapMemory) {
        self.lane = lane
        self.memory = memory
    }

    /// Slots that a pass could give back.
    var worth: Int { isIncomplete ? 1 << 40 : isBoundExact ? own : own + doubtful }

    /// A slot died. Those of other lanes are not this disk's to tell.
    mutating func add(_ address: UInt64) {
        guard address >> 52 == UInt64(lane) else { return }
        if address > bound { own += 1 } else { doubtful += 1 }
        if let last = current.indices.last,
            current[last].first + current[last].count == address
        {
            current[last].count += 1
            return
        }
        current.append(Run(first: address, count: 1))
        runCount += 1
        if runCount > charged * Self.runsPerPage { charge() }
    }

    private mutating func charge() {
        // An eighth of what all attached disks may have dirty is theirs besides.
        guard charged < max(Limits.leastDirtyPages, memory.dirtyShare / 2) else {
            forget()
            isIncomplete = true
            return
        }
        charged += 1
        memory.adjust(by: 1)
    }

    /// Lets go of all of them, and of their memory.
    mutating func forget() {
        current = []
        cut = []
        (own, doubtful, discarded, runCount) = (0, 0, 0, 0)
        discharge()
    }

    private mutating func discharge() {
        let needed = (runCount + Self.runsPerPage - 1) / Self.runsPerPage
        memory.adjust(by: needed - charged)
        charged = needed
    }

    /// The disk's checkpoint cuts its log at `position`.
    mutating func cut(at position: LogPosition) {
        if current.isEmpty { return }
        let earlier = cut.reduce(0) { $0 + $1.own }
        cut.append(
            Interval(position: position.raw, bound: bound, runs: current, own: own - earlier))
        current = []
    }

    /// Takes those that died before a cut at or before `position`, the replay-from of the older
    /// checkpoint, so that no recovery reaches them; the certain ones are dead for good. Also
    /// whether there were others that could not be kept.
    mutating func take(before position: LogPosition) -> (dead: [Interval], isIncomplete: Bool) {
        let taken = Array(cut.prefix { $0.position <= position.raw })
        cut.removeFirst(taken.count)
        recount()
        defer { isIncomplete = false }
        return (taken, isIncomplete)
    }

    /// A snapshot with this root was taken of the disk: it may reach what was written before its
    /// root, unless that died before its cut. (Cuts are taken one at a time: one that lies before
    /// the root is the snapshot's, or an earlier one.)
    mutating func share(below root: BlockAddress) {
        guard !root.isHole, root.chunk.lane == lane, bound != .max else { return }
        bound = max(bound, root.rawValue)
        for index in cut.indices where cut[index].position > root.rawValue {
            cut[index].bound = max(cut[index].bound, bound)
        }
        recount()
    }

    /// Nobody else reaches anything above `address`; `isExact` if that was found by walking the
    /// maps of all others.
    mutating func setBound(_ address: UInt64, isExact: Bool) {
        bound = address
        isBoundExact = isExact
        for index in cut.indices { cut[index].bound = min(cut[index].bound, address) }
        recount()
    }

    private mutating func recount() {
        (own, doubtful, runCount) = (0, 0, 0)
        func count(_ runs: [Run], above bound: UInt64) -> Int {
            let certain = runs.reduce(0) { $0 + ($1.first > bound ? Int($1.count) : 0) }
            own += certain
            doubtful += runs.reduce(0) { $0 + Int($1.count) } - certain
            runCount += runs.count
            return certain
        }
        for index in cut.indices {
            cut[index].own = count(cut[index].runs, above: cut[index].bound)
        }
        _ = count(current, above: bound)
        discarded = min(discarded, own + doubtful)
        discharge()
    }
}

extension LogPosition {
    /// Comparable with addresses of the same lane: all slots before it are below.
    var raw: UInt64 { BlockAddress(chunk: chunk, slot: 0).rawValue + UInt64(slot) }
}
