import DiskFormat
import Scheduling
import Synchronization

/// Counts the map pages of all disks and snapshots against one limit, and finds room when it is
/// reached: the idle must not keep what the busy need.
///
/// A quarter of it is shared out among the attached disks, equally, for dirty pages: a disk with
/// that many begins a checkpoint, and one with twice as many has its writers wait. So all disks
/// together have half of the memory dirty at most, and beyond it what their operations under way
/// change: per operation one run of blocks or one discard entry
/// (`Limits.leavesPerDiscard` leaves), with the pages above. (With so many disks that the share
/// is `Limits.leastDirtyPages`: that many.) A disk whose log is replayed counts as one more, and
/// may come to the whole limit alone if what is dirty cannot be written out (`Disk.replay`).
final class MapMemory: @unchecked Sendable {
    // @unchecked: `readers` is accessed under `monitor`.
    let limitPages: Int
    private let pages = Atomic<Int>(0)
    private let sharers = Atomic<Int>(1)
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

    /// Dirty pages at which a disk begins a checkpoint.
    var dirtyShare: Int {
        max(Limits.leastDirtyPages, limitPages / 4 / sharers.load(ordering: .relaxed))
    }

    /// From now on `disks` disks share.
    func share(among disks: Int) { sharers.store(max(1, disks), ordering: .relaxed) }

    func pageAppeared() { pages.wrappingAdd(1, ordering: .relaxed) }
    func pageVanished() { pages.wrappingSubtract(1, ordering: .relaxed) }

    /// What reclamation keeps counts too, in pages.
    func adjust(by count: Int) { pages.wrappingAdd(count, ordering: .relaxed) }

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
        // In parts: who works with that map waits for one of them at most.
        for _ in stride(from: 0, to: max(64, usedPages - limitPages), by: 64) where isOverLimit {
            largest?.evict(atMost: 64)
        }
    }
}
