import DiskFormat
import Scheduling

/// Chunks of a lineage of which nothing lives, and which a pass of reclamation left in place, to
/// become the next ones: a file that has its space and was written before costs the host less to
/// write, and less to make durable, than a new one.
///
/// Who overwrites a disk uses up as many chunks as die. So a pass keeps as many slots as were used
/// up since the pass before, or between the two before if they were more, within the room it has: a
/// quarter of what the disks hold, and none of what was discarded or deleted. They are dead
/// chunks like others: whoever walks the maps may delete them, and a process that is killed leaves
/// nothing special behind.
final class SpareChunks: @unchecked Sendable {
    // @unchecked: everything that changes is accessed under `monitor`, a leaf.
    private let monitor: Monitor
    /// In the order in which they are used.
    private var spares: [(number: ChunkNumber, slots: Int)] = []
    private var kept = 0
    /// Slots of the chunks that were made since the last pass began, and those it may keep.
    private var used = 0
    private var usedBefore = 0
    private var room = 0

    init(threads: any Threads) { monitor = threads.makeMonitor() }

    /// Slots that they have.
    var slots: Int { monitor.withLock { kept } }

    /// A chunk with so many slots is being made: one to make it of, if there is one.
    func take(slots: Int) -> ChunkNumber? {
        monitor.withLock {
            used += slots
            guard let index = spares.firstIndex(where: { $0.slots == slots }) else { return nil }
            kept -= slots
            return spares.remove(at: index).number
        }
    }

    /// A pass begins that has room for so many slots. The spares that it must delete.
    func beginPass(room: Int) -> [(number: ChunkNumber, slots: Int)] {
        monitor.withLock {
            // Of two passes: the chunks' supply may be late for one.
            self.room = min(max(used, usedBefore), room)
            (usedBefore, used) = (used, 0)
            var surplus: [(number: ChunkNumber, slots: Int)] = []
            while kept > self.room, let last = spares.popLast() {
                kept -= last.slots
                surplus.append(last)
            }
            return surplus
        }
    }

    /// Keeps a dead chunk, if there is room. One that is kept stays so.
    func keep(_ number: ChunkNumber, slots: Int) -> Bool {
        monitor.withLock {
            if spares.contains(where: { $0.number == number }) { return true }
            guard kept + slots <= room else { return false }
            spares.append((number, slots))
            kept += slots
            return true
        }
    }

    func holds(_ number: ChunkNumber) -> Bool {
        monitor.withLock { spares.contains { $0.number == number } }
    }

    /// Lets go of all of them: the caller deletes them.
    func drain() -> [ChunkNumber] {
        monitor.withLock {
            defer { (spares, kept, room) = ([], 0, 0) }
            return spares.map(\.number)
        }
    }
}
