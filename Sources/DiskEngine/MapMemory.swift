import DiskFormat
import Synchronization

/// Counts the map pages of all disks and snapshots against one limit, and finds room when it is
/// reached: the idle must not keep what the busy need.
final class MapMemory: @unchecked Sendable {
    // @unchecked: `readers` is accessed under `monitor`.
    let limitPages: Int
    private let pages = Atomic<Int>(0)
    private let monitor: Monitor
    private var readers: [ObjectIdentifier: Weak] = [:]

    private struct Weak {
        weak var reader: MapReader?
    }

    init(limitBytes: Int, threads: any Threads) {
        limitPages = limitBytes / Format.blockSize
        monitor = threads.makeMonitor()
    }

    var usedPages: Int { pages.load(ordering: .relaxed) }
    var isOverLimit: Bool { usedPages > limitPages }

    func pageAppeared() { pages.wrappingAdd(1, ordering: .relaxed) }
    func pageVanished() { pages.wrappingSubtract(1, ordering: .relaxed) }

    func add(_ reader: MapReader) {
        monitor.withLock { readers[ObjectIdentifier(reader)] = Weak(reader: reader) }
    }

    func remove(_ reader: MapReader) {
        monitor.withLock { readers[ObjectIdentifier(reader)] = nil }
    }

    /// Over the limit, takes pages from the map that has most of them in memory. Called without
    /// any map's lock: it takes them one at a time.
    func relieve() {
        guard isOverLimit else { return }
        let all = monitor.withLock { readers.values.compactMap(\.reader) }
        let largest = all.max { $0.residentPages < $1.residentPages }
        largest?.evict(atMost: max(64, usedPages - limitPages))
    }
}
