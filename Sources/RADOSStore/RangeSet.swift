/// Ranges that do not touch, in order.
struct RangeSet {
    private(set) var ranges: [Range<UInt64>] = []

    mutating func insert(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        let first = ranges.firstIndex { $0.upperBound >= range.lowerBound } ?? ranges.count
        let end = ranges[first...].firstIndex { $0.lowerBound > range.upperBound } ?? ranges.count
        var whole = range
        if first < end {
            whole =
                min(
                    range.lowerBound, ranges[first].lowerBound)..<max(
                    range.upperBound, ranges[end - 1].upperBound)
        }
        ranges.replaceSubrange(first..<end, with: [whole])
    }

    mutating func remove(_ range: Range<UInt64>) {
        guard ranges.contains(where: { $0.overlaps(range) }) else { return }
        ranges = ranges.flatMap { old in
            guard old.overlaps(range) else { return [old] }
            let before = old.lowerBound..<max(old.lowerBound, range.lowerBound)
            let after = min(old.upperBound, range.upperBound)..<old.upperBound
            return [before, after].filter { !$0.isEmpty }
        }
    }

    func count(in range: Range<UInt64>) -> UInt64 {
        ranges.reduce(0) { $0 + UInt64($1.clamped(to: range).count) }
    }
}
