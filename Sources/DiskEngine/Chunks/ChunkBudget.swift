import CryptoPrimitives
import Scheduling
import Synchronization

/// Counts the open chunks of all lineages of a store against one limit: each takes a descriptor,
/// and if it is encrypted a key in locked memory, and both are limited by the process.
///
/// Its monitor is held for moments, and no table's lock is taken under it.
final class ChunkBudget: @unchecked Sendable {
    // @unchecked: `tables` is accessed under `monitor`.
    private let limit: Int
    private let open = Atomic<Int>(0)
    private let clock = Atomic<UInt64>(0)
    private let monitor: Monitor
    private var tables: [ObjectIdentifier: Weak] = [:]
    /// Held by the one who finds room, for as long as that takes.
    private let turns: Monitor

    private struct Weak {
        weak var table: ChunkTable?
    }

    init(limit: Int, threads: any Threads) {
        self.limit = limit
        monitor = threads.makeMonitor()
        turns = threads.makeMonitor()
    }

    /// Chunks in the tables.
    var count: Int { open.load(ordering: .relaxed) }

    /// A moment, later than every one before: uses of different lineages compare.
    func tick() -> UInt64 { clock.wrappingAdd(1, ordering: .relaxed).newValue }

    func appeared() { open.wrappingAdd(1, ordering: .relaxed) }
    func vanished(_ count: Int = 1) { open.wrappingSubtract(count, ordering: .relaxed) }

    func add(_ table: ChunkTable) {
        monitor.withLock { tables[ObjectIdentifier(table)] = Weak(table: table) }
    }

    func remove(_ table: ChunkTable) {
        monitor.withLock { tables[ObjectIdentifier(table)] = nil }
    }

    /// Finds room for one more chunk. Called without any table's lock. One at a time: while one
    /// closes files the others wait, so that there are never more open than the limit and theirs.
    func makeRoom() {
        guard count >= limit else { return }
        turns.withLock {
            if count >= limit { evictOlderHalf() }
        }
    }

    /// Lets go of the half of all chunks that was unused for longest; false if there was none. Half
    /// at a time, so that the sort is paid once in limit/2 insertions.
    @discardableResult
    func evictOlderHalf() -> Bool {
        let all = monitor.withLock { tables.values.compactMap(\.table) }
        let uses = all.flatMap(\.lastUses).sorted()
        guard !uses.isEmpty else { return false }
        let median = uses[uses.count / 2]
        return all.reduce(false) { $1.evict(unusedSince: median) || $0 }
    }

    /// Runs `body`; if the process runs short of what open chunks take, again without the older
    /// half of them, until there are none left. `body` must not call this again.
    ///
    /// Who runs short takes turns: many threads that each let go of half would leave nothing for
    /// the last of them, who would be refused while the others use what they freed.
    func relieving<R, E: Error>(
        when isShort: (E) -> Bool, _ body: () throws(E) -> R
    ) throws(E) -> R {
        do throws(E) {
            return try body()
        } catch {
            guard isShort(error) else { throw error }
        }
        return try turns.withLock { () throws(E) -> R in
            while true {
                do throws(E) {
                    return try body()
                } catch {
                    guard isShort(error), evictOlderHalf() else { throw error }
                }
            }
        }
    }
}
