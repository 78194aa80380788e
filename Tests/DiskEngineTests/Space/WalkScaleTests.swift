import ChunkStore
import DiskFormat
import Glibc
import Scheduling
import Testing

@testable import DiskEngine

/// Passes over a disk whose map is real and whose chunks are names only: what they cost in reads.
/// `SEALDISK_WALK_GIB=1024` makes it a disk of that size and prints the CPU time.
@Suite struct WalkScaleTests {
    private static let slots = 8192
    private static let gibibytes = getenv("SEALDISK_WALK_GIB").flatMap {
        UInt64(String(cString: $0))
    }

    private static var blocks: UInt64 { (gibibytes ?? 2) << 18 }

    /// The process's CPU time, seconds.
    private static var seconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// A disk of the size, its session owning numbers for all its blocks and more.
    private func makeDisk(_ harness: Harness, chunks: UInt32) throws -> (Disk, ChunkNumber) {
        let disk = try harness.disk(Self.blocks * 4096)
        try disk.put([UInt8](repeating: 1, count: 4096), at: 0)
        return try disk.monitor.withLock {
            let session = try #require(disk.log.session)
            let owned = try disk.lineage.update { manifest in
                manifest.sessions[0].endSequence = session.firstSequence + 2 * chunks + 1024
                return manifest.sessions[0]
            }
            disk.log.session = owned
            // The log goes on behind all that is pretended to be there.
            disk.log.nextSequence = session.firstSequence + 2 * chunks
            return (disk, ChunkNumber(lane: session.lane, sequence: session.firstSequence + 16))
        }
    }

    private func map(
        _ disk: Disk, _ blocks: some Sequence<UInt64>, at address: (UInt64) -> BlockAddress
    ) throws {
        for block in blocks {
            let isDue = try disk.monitor.withLock { () -> Bool in
                defer { (disk.monitor as? TimedMonitor)?.isWriter = true }
                try disk.reader.planned { $0.pinLeaves(of: block..<block + 1) }
                disk.map.store(block..<block + 1, at: address(block))
                disk.map.unpin(block..<block + 1)
                return disk.map.dirty.count >= disk.dirtyLimit
            }
            if isDue { try disk.checkpoint() }
        }
    }

    private func report(walk: Double, pass: Double, _ monitor: TimedMonitor) {
        let longest = monitor.withLock { monitor.longest }
        print(
            "\(Self.blocks >> 18) GiB: walk \(walk) s, passes over 1 % \(pass) s of CPU; the disk's"
                + " lock was held for \(longest.time * 1e6) µs at the longest,"
                + " \(longest.cpu * 1e6) µs of CPU")
    }

    @Test func aPassCostsWhatChanged() throws {
        var limits = Limits()
        limits.slotsPerChunk = UInt32(Self.slots)
        limits.leastReclaimBlocks = 1 << 40
        limits.mostReclaimBlocks = 1 << 40
        let harness = try Harness(
            limits: limits, environment: Environment(threads: TimedThreads()))
        let chunks = UInt32(Self.blocks / UInt64(Self.slots))
        let (disk, first) = try makeDisk(harness, chunks: chunks)
        func address(_ position: UInt64) -> BlockAddress {
            let sequence = first.sequence + UInt32(position / UInt64(Self.slots))
            return BlockAddress(
                chunk: ChunkNumber(lane: first.lane, sequence: sequence),
                slot: UInt32(position % UInt64(Self.slots)))
        }
        try map(disk, 0..<Self.blocks, at: address)
        for chunk in 0..<chunks {
            let number = ChunkNumber(lane: first.lane, sequence: first.sequence + chunk)
            try harness.files.replaceObject(
                harness.file(StoreLayout.chunk(disk.lineage.id, number)), with: [])
        }
        // So that the log has left the numbers that are pretended to be there.
        try disk.put([UInt8](repeating: 1, count: 2 * Self.slots * 4096), at: 0)
        for _ in 0..<2 { try disk.checkpoint() }
        let start = Self.seconds
        let walked = try #require(try harness.store.reclaim(disk.lineage.id, walking: true))
        let walk = Self.seconds - start
        #expect(walked.chunks >= 1)
        #expect(disk.lineage.space.isMarked)

        var generator = SeededGenerator(seed: 1)
        var next = UInt64(chunks) * UInt64(Self.slots)
        let some = (0..<Self.blocks / 100).map { _ in
            UInt64.random(in: UInt64(2 * Self.slots)..<Self.blocks, using: &generator)
        }
        let monitor = try #require(disk.monitor as? TimedMonitor)
        monitor.withLock { monitor.isMeasuring = true }
        var pass = 0.0
        // As much at a time as a disk asks for a pass for.
        for part in stride(from: 0, to: some.count, by: 262_144) {
            let changed = some[part..<min(part + 262_144, some.count)]
            try map(disk, changed) { _ in
                next += 1
                return address(next)
            }
            let told = disk.waitingDeaths
            #expect(told >= Set(changed).count)
            let start = Self.seconds
            _ = try #require(try harness.store.reclaim(disk.lineage.id, walking: false))
            pass += Self.seconds - start
            // The map pages that the second checkpoint replaced wait for the next.
            #expect(disk.waitingDeaths < told / 2)
        }
        #expect(disk.lineage.space.isMarked)
        if Self.gibibytes != nil { report(walk: walk, pass: pass, monitor) }
        try? harness.store.close()
    }
}

/// The system's threads, with monitors that know how long they were held.
private struct TimedThreads: Threads {
    func makeMonitor() -> Monitor { TimedMonitor() }

    func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
        -> any RunningThread
    {
        try SystemThreads().start(name: name, body)
    }
}

// @unchecked: its fields are accessed under the monitor itself.
private final class TimedMonitor: Monitor, @unchecked Sendable {
    /// Seconds, and of the holder's CPU: without what the host took it off the CPU for.
    var longest = (time: 0.0, cpu: 0.0)
    /// Set by a holder that is a write, not a pass or a checkpoint: it is not counted.
    var isWriter = false
    /// Reading the clock takes longer than what most holders do.
    var isMeasuring = false
    private var since = (time: 0.0, cpu: 0.0)

    private var now: (time: Double, cpu: Double) {
        isMeasuring ? (Self.read(CLOCK_MONOTONIC), Self.read(CLOCK_THREAD_CPUTIME_ID)) : (0, 0)
    }

    private static func read(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func note() {
        let now = now
        defer { isWriter = false }
        if isWriter || since.time == 0 { return }
        longest.time = max(longest.time, now.time - since.time)
        longest.cpu = max(longest.cpu, now.cpu - since.cpu)
    }

    override func lock() {
        super.lock()
        since = now
    }

    override func unlock() {
        note()
        super.unlock()
    }

    override func wait(for event: Event = .progress) {
        note()
        super.wait(for: event)
        since = now
    }
}
