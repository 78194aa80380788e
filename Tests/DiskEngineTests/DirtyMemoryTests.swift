import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import Scheduling
import Synchronization
import Testing

@testable import DiskEngine

/// One memory of map pages for all disks, also for what is dirty.
@Suite struct DirtyMemoryTests {
    private func dirtyPages(_ store: Store) -> Int {
        store.status().disks.reduce(0) { $0 + $1.dirtyMapPages }
    }

    /// Eight disks on the least map memory there is, each written to in a new leaf every time: half
    /// of it is dirty at most, and what the operations under way change.
    @Test func manyDisksShareOneLimit() throws {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 1024
        limits.checkpointLogBlocks = 1 << 30
        let harness = try Harness(limits: limits)
        var disks: [Disk] = []
        let memory = harness.store.memory
        let limit = memory.limitPages / 2
        // The first has it all to itself, and writes its share: it gives up what is others'.
        for number in 0..<8 {
            disks.append(try harness.disk(64 << 30, encrypted: number.isMultiple(of: 2)))
            for leaf in 0..<UInt64(300) {
                try disks[number].put(pattern(512, seed: leaf), at: leaf * (2 << 20))
            }
        }
        #expect(memory.dirtyShare == memory.limitPages / 4 / 8)
        var most = 0
        for leaf in 300..<UInt64(500) {
            for disk in disks {
                try disk.put(pattern(512, seed: leaf), at: leaf * (2 << 20))
            }
            most = max(most, dirtyPages(harness.store))
        }
        // Each disk: a leaf and the three pages above it.
        #expect(most <= limit + 8 * 4, "\(most) of \(limit) pages were dirty")
        for disk in disks {
            #expect(try disk.bytes(499 * (2 << 20), 512) == pattern(512, seed: 499))
        }
        try harness.store.detach(disks.removeLast().id)
        #expect(memory.dirtyShare == memory.limitPages / 4 / 7)
        try harness.store.close()
    }

    /// A disk that is idle writes out what it has too much of when others come.
    @Test func anIdleDiskGivesUpItsShare() throws {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 1024
        limits.checkpointLogBlocks = 1 << 30
        let harness = try Harness(limits: limits)
        let first = try harness.disk(64 << 30)
        for leaf in 0..<UInt64(200) { try first.put(pattern(512, seed: leaf), at: leaf << 21) }
        #expect(dirtyPages(harness.store) >= 200)
        for _ in 0..<3 { _ = try harness.disk(1 << 20) }
        first.monitor.withLock {
            while first.wantsCheckpoint || first.isCheckpointing { first.monitor.wait() }
        }
        #expect(dirtyPages(harness.store) < memoryShare(harness))
        try harness.store.close()
    }

    /// Discards all over a disk whose checkpoint hangs on its medium: they wait once twice the
    /// disk's share is dirty, and go on with the checkpoint.
    @Test func discardsWaitForACheckpoint() throws {
        let reached = Gate()
        let go = Gate()
        let isArmed = Atomic(false)
        let files = FaultyStore(MemoryStore()) { operation, name in
            guard operation == .replaceObject, name.contains("/disks/"),
                isArmed.exchange(false, ordering: .sequentiallyConsistent)
            else { return }
            reached.raise()
            go.pass()
        }
        try Store.create(in: files, account: "a", region: "r")
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 1024
        limits.checkpointLogBlocks = 1 << 30
        let threads = WatchedThreads()
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t",
            environment: Environment(threads: threads), limits: limits)
        let id = try store.createDisk(encrypted: true, size: 64 << 30, attributes: [:]).id
        let disk = try store.attach(id)
        let leaves = UInt64(2000)
        for leaf in 0..<leaves { try disk.put(pattern(4096, seed: leaf), at: leaf << 21) }
        try disk.checkpoint()
        isArmed.store(true, ordering: .sequentiallyConsistent)
        let checkpoint = Runner { #expect(throws: Never.self) { try disk.checkpoint() } }
        reached.pass()
        let isDone = Atomic(false)
        let discard = Runner {
            #expect(throws: Never.self) { try disk.discard(at: 0, length: leaves << 21) }
            isDone.store(true, ordering: .sequentiallyConsistent)
        }
        // Until it waits, or has come to its end without.
        while !isDone.load(ordering: .sequentiallyConsistent),
            disk.monitor.withLock({
                (disk.monitor as? WatchedMonitor)?.waiting != 1
                    || disk.map.dirty.count < 2 * disk.dirtyLimit
            })
        {
            usleep(1000)
        }
        let (dirty, share) = disk.monitor.withLock { (disk.map.dirty.count, disk.dirtyLimit) }
        #expect(dirty >= 2 * share)
        #expect(dirty <= 2 * share + Limits.leavesPerDiscard + 4, "\(dirty) pages were dirty")
        go.raise()
        discard.join()
        checkpoint.join()
        #expect(disk.storedBytes == 0)
        try store.close()
    }

    private func memoryShare(_ harness: Harness) -> Int { harness.store.memory.dirtyShare }
}

/// The system's threads, with monitors that know how many wait for progress.
private struct WatchedThreads: Threads {
    func makeMonitor() -> Monitor { WatchedMonitor() }

    func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
        -> any RunningThread
    {
        try SystemThreads().start(name: name, body)
    }
}

// @unchecked: `waiting` is accessed under the monitor itself.
private final class WatchedMonitor: Monitor, @unchecked Sendable {
    private(set) var waiting = 0

    override func wait(for event: Event = .progress) {
        if event == .progress { waiting += 1 }
        super.wait(for: event)
        if event == .progress { waiting -= 1 }
    }
}
