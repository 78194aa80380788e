import DiskFormat

/// The items of a sealed snapshot in their order, from any of them on.
///
/// They are a function of the maps alone, wherever a walk begins: one item for each block of data,
/// and one for each run of holes within a leaf, since every look at `diff` is at one leaf.
struct SealedItemWalk {
    private let diff: MapDiff
    private let end: BlockNumber
    /// Where to go on looking; nil: everything was seen.
    private var next: BlockNumber?
    /// Seen and not yet passed, in reverse order.
    private var pending: [MapChange] = []

    /// Walks the items from block `first` on that lie below `end`.
    init(_ diff: MapDiff, from first: BlockNumber, below end: BlockNumber) {
        self.diff = diff
        self.end = end
        next = first
    }

    /// No item that is not passed yet begins before this block.
    var position: BlockNumber { pending.last?.blocks.lowerBound ?? next ?? end }

    /// Passes over a run of holes, which is one item, or over up to `limit` blocks of data, which
    /// are one item each. nil at the end. Needs one leaf in memory at a time.
    mutating func pass(atMost limit: Int) throws -> MapChange? {
        while pending.isEmpty {
            guard let from = next else { return nil }
            let (changes, rest) = try diff.changes(in: from..<end, limit: 1)
            pending = changes.reversed()
            next = rest
        }
        guard let run = pending.popLast() else { return nil }
        guard !run.isHole, run.blocks.count > limit else { return run }
        let cut = run.blocks.lowerBound + UInt64(limit)
        pending.append(MapChange(blocks: cut..<run.blocks.upperBound, isHole: false))
        return MapChange(blocks: run.blocks.lowerBound..<cut, isHole: false)
    }

    /// Passes over `count` items, or as many as there are. `body` is told of them in runs. Returns
    /// how many it passed.
    mutating func pass(_ count: Int, _ body: (MapChange) -> Void = { _ in }) throws -> Int {
        var passed = 0
        while passed < count, let run = try pass(atMost: count - passed) {
            passed += run.isHole ? 1 : run.blocks.count
            body(run)
        }
        return passed
    }
}
