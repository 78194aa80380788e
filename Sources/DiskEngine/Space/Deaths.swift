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
        /// Slots, and those of them that lie above `bound`.
        fileprivate let slots: Int
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
    /// Slots of all that lie above their bound, and of all; of the last interval alone. Kept as
    /// slots come and go: there may be hundreds of thousands of runs, and counting them would hold
    /// up writers.
    private(set) var own = 0
    private var slots = 0
    private var currentOwn = 0
    private var currentSlots = 0
    /// Those of them that died of discards since they were last taken.
    var discarded = 0
    /// Slots that died of discards, until they are accounted for by `overwritten(of:)`.
    private(set) var discards = 0
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
    var worth: Int { isIncomplete ? 1 << 40 : isBoundExact ? own : slots }

    /// A slot died by being discarded.
    mutating func addDiscarded(_ address: UInt64) {
        add(address)
        discarded += 1
        discards += 1
    }

    /// A slot died. Those of other lanes are not this disk's to tell.
    mutating func add(_ address: UInt64) {
        guard address >> 52 == UInt64(lane) else { return }
        slots += 1
        currentSlots += 1
        if address > bound {
            own += 1
            currentOwn += 1
        }
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
        (own, slots, currentOwn, currentSlots) = (0, 0, 0, 0)
        (discarded, discards, runCount) = (0, 0, 0)
        discharge()
    }

    private mutating func discharge() {
        let needed = (runCount + Self.runsPerPage - 1) / Self.runsPerPage
        memory.adjust(by: needed - charged)
        charged = needed
    }

    /// The disk's checkpoint cuts its log at `position`: never below the cut before, and where that
    /// was if its checkpoint failed with nothing written. Such two are one, for intervals are told
    /// apart by their positions.
    mutating func cut(at position: LogPosition) {
        if current.isEmpty { return }
        var interval = Interval(
            position: position.raw, bound: bound, runs: current, slots: currentSlots,
            own: currentOwn)
        if let last = cut.last, last.position == interval.position {
            cut.removeLast()
            own -= last.own + interval.own
            interval = Interval(
                position: last.position, bound: max(last.bound, bound), runs: last.runs + current,
                slots: last.slots + currentSlots, own: 0)
            interval.own = Self.count(interval, above: interval.bound)
            own += interval.own
        }
        cut.append(interval)
        current = []
        (currentOwn, currentSlots) = (0, 0)
    }

    /// Takes those that died before a cut at or before `position`, the replay-from of the older
    /// checkpoint, so that no recovery reaches them; the certain ones are dead for good. Also
    /// whether there were others that could not be kept.
    mutating func take(before position: LogPosition) -> (dead: [Interval], isIncomplete: Bool) {
        let taken = Array(cut.prefix { $0.position <= position.raw })
        cut.removeFirst(taken.count)
        own -= taken.reduce(0) { $0 + $1.own }
        slots -= taken.reduce(0) { $0 + $1.slots }
        runCount -= taken.reduce(0) { $0 + $1.runs.count }
        discarded = min(discarded, slots)
        discharge()
        defer { isIncomplete = false }
        return (taken, isIncomplete)
    }

    /// Slots of what was taken that died by being overwritten, at least: whatever was discarded
    /// until now is presumed to be among them.
    mutating func overwritten(of taken: [Interval]) -> Int {
        let all = taken.reduce(0) { $0 + $1.own }
        defer { discards -= min(discards, all) }
        return all - min(discards, all)
    }

    /// A snapshot with this root was taken of the disk: it may reach what was written before its
    /// root, unless that died before its cut. (Cuts are taken one at a time: one that lies before
    /// the root is the snapshot's, or an earlier one.) So what is counted anew is what died since.
    mutating func share(below root: BlockAddress) {
        guard !root.isHole, root.chunk.lane == lane, bound != .max else { return }
        bound = max(bound, root.rawValue)
        for index in cut.indices where cut[index].position > root.rawValue {
            setBound(max(cut[index].bound, bound), ofInterval: index)
        }
        recountCurrent()
    }

    /// Intervals whose count a lower bound would change, for `count(_:above:)`, which takes long
    /// and needs no lock.
    func intervals(above address: UInt64) -> [Interval] { cut.filter { $0.bound > address } }

    static func count(_ interval: Interval, above bound: UInt64) -> Int {
        interval.runs.reduce(0) { $0 + ($1.first > bound ? Int($1.count) : 0) }
    }

    /// Nobody else reaches anything above `address`; `isExact` if that was found by walking the
    /// maps of all others. `counts`: of intervals, by position, their slots above it.
    mutating func setBound(_ address: UInt64, isExact: Bool, counts: [UInt64: Int] = [:]) {
        bound = address
        isBoundExact = isExact
        for index in cut.indices where cut[index].bound > address {
            setBound(address, ofInterval: index, count: counts[cut[index].position])
        }
        recountCurrent()
    }

    private mutating func setBound(_ bound: UInt64, ofInterval index: Int, count: Int? = nil) {
        guard cut[index].bound != bound else { return }
        cut[index].bound = bound
        let new = count ?? Self.count(cut[index], above: bound)
        own += new - cut[index].own
        cut[index].own = new
    }

    /// What died since the last cut; a checkpoint was taken just before.
    private mutating func recountCurrent() {
        let new = current.reduce(0) { $0 + ($1.first > bound ? Int($1.count) : 0) }
        own += new - currentOwn
        currentOwn = new
    }
}

extension LogPosition {
    /// Comparable with addresses of the same lane: all slots before it are below.
    var raw: UInt64 { BlockAddress(chunk: chunk, slot: 0).rawValue + UInt64(slot) }
}
