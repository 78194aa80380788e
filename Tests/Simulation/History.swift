/// What was done to a disk since its content was last known, and which contents that allows.
///
/// The unit is a sector of 512 bytes, which a write fills with its own number: whoever reads a
/// sector knows whose it is. An *event* is a write or discard; it has begun and, unless a crash
/// came between, returned. Of two events of which one had returned before the other began, the
/// first comes first in the log; of others nobody knows. So a content is one prefix of the log if
///
/// - whatever was acknowledged before some moment `must` is in it,
/// - whatever was acknowledged before an event began that is in it, is in it too,
/// - no sector is older than the last event in it that covers the sector; of a write that is seen
///   in one block, what lies before that block is in it too.
struct History {
    typealias Stamp = UInt64

    struct Event {
        let isDiscard: Bool
        let sectors: Range<Int>
        let start: Int
        /// When it returned, and whether it succeeded.
        var end: Int?
        var isAcknowledged = false
    }

    /// The stamps as they were last known; 0 is a sector of zeros.
    private(set) var base: [Stamp]
    private(set) var events: [Stamp: Event] = [:]
    private var bySector: [Int: [Stamp]] = [:]
    /// When the last acknowledged flush began.
    private(set) var flushed = 0
    /// When the last action began that has put into a bucket what was acknowledged before.
    private(set) var stored = 0
    /// No write has come back yet.
    var isQuiet: Bool { events.values.allSatisfy { $0.end != nil } }

    init(base: [Stamp]) { self.base = base }

    mutating func begin(_ stamp: Stamp, _ sectors: Range<Int>, isDiscard: Bool, at time: Int) {
        events[stamp] = Event(isDiscard: isDiscard, sectors: sectors, start: time)
        for sector in sectors { bySector[sector, default: []].append(stamp) }
    }

    mutating func end(_ stamp: Stamp, isAcknowledged: Bool, at time: Int) {
        events[stamp]?.end = time
        events[stamp]?.isAcknowledged = isAcknowledged
    }

    /// More sectors, of zeros.
    mutating func grow(to count: Int) {
        base += [Stamp](repeating: 0, count: count - base.count)
    }

    mutating func flush(begunAt time: Int) { flushed = max(flushed, time) }
    mutating func store(begunAt time: Int) { stored = max(stored, time) }

    /// The content is known: what was before matters no more.
    mutating func settle(on content: [Stamp]) {
        base = content
        events = [:]
        bySector = [:]
        flushed = 0
        stored = 0
    }

    /// What is wrong with a content that is to be one prefix of the log: one that holds what was
    /// acknowledged before `must`, and nothing that began at `end` or later. nil if it may be.
    func fault(inPrefix content: [Stamp], must: Int, end: Int = .max) -> String? {
        guard content.count == base.count else {
            return "\(content.count) sectors instead of \(base.count)"
        }
        // Where each write that can be seen is seen last, as the end of that block.
        var visible: [Stamp: Int] = [:]
        for (sector, stamp) in content.enumerated() where stamp != 0 && stamp != base[sector] {
            visible[stamp] = (sector / 8 + 1) * 8
        }
        var moment = must
        for stamp in visible.keys.sorted() {
            guard let event = events[stamp] else { return "content \(stamp) that nobody wrote" }
            if event.start >= end { return "write \(stamp), which began afterwards" }
            moment = max(moment, event.start)
        }
        for (sector, stamp) in content.enumerated() {
            let needed = lastNeeded(in: sector, before: moment, or: visible)
            if let text = fault(of: stamp, in: sector, needed: needed, end: end) {
                return "\(text); \(told(visible, must))"
            }
        }
        return nil
    }

    /// What makes a content need what it lacks.
    private func told(_ visible: [Stamp: Int], _ must: Int) -> String {
        let last = visible.keys.max { events[$0]?.start ?? 0 < events[$1]?.start ?? 0 }
        return "it holds write \(last ?? 0), and all that returned before \(must)"
    }

    /// The same for what a read of `sectors` that began at `start` has returned: each sector by
    /// itself.
    func fault(inRead content: [Stamp], of sectors: Range<Int>, from start: Int, to end: Int)
        -> String?
    {
        for (sector, stamp) in zip(sectors, content) {
            let needed = lastNeeded(in: sector, before: start, or: [:])
            if let text = fault(of: stamp, in: sector, needed: needed, end: end) { return text }
        }
        return nil
    }

    /// The event that began last of those that must be in what is seen of a sector.
    private func lastNeeded(in sector: Int, before moment: Int, or visible: [Stamp: Int]) -> Stamp?
    {
        var last: (stamp: Stamp, start: Int)?
        for stamp in bySector[sector, default: []] {
            guard let event = events[stamp] else { continue }
            let isNeeded =
                event.isAcknowledged && event.end ?? .max < moment
                || sector < visible[stamp] ?? 0
            if isNeeded, last.map({ $0.start < event.start }) ?? true {
                last = (stamp, event.start)
            }
        }
        return last?.stamp
    }

    private func fault(of stamp: Stamp, in sector: Int, needed: Stamp?, end: Int) -> String? {
        let mustFollow = needed.flatMap { events[$0]?.start } ?? -1
        func mayBe(_ event: Event) -> Bool {
            event.start < end && event.end ?? .max >= mustFollow
        }
        if stamp == base[sector], needed == nil { return nil }
        if stamp != 0 {
            guard let event = events[stamp] else {
                let wanted = needed.map { ", not of write \($0)" } ?? ""
                return "sector \(sector) has the content \(stamp) of before\(wanted)"
            }
            guard !event.isDiscard, event.sectors.contains(sector) else {
                return "sector \(sector) has the content of write \(stamp), which lies elsewhere"
            }
            if mayBe(event) { return nil }
        } else if bySector[sector, default: []].contains(where: {
            events[$0].map { $0.isDiscard && mayBe($0) } ?? false
        }) {
            return nil
        }
        return "sector \(sector) has the content \(stamp) (before: \(base[sector])), and write"
            + " \(needed ?? 0) is missing"
    }
}
