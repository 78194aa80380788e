import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import Scheduling
import Synchronization
import Testing

@testable import DiskEngine

/// What the host gives a process is limited: an engine that runs short lets go of what is idle, or
/// says what is missing, and goes on.
@Suite struct HostLimitTests {
    /// Two disks of 40 chunks each where no more than 24 files may be open: every block is read,
    /// again and again, and more is written.
    @Test func idleChunksOfAllLineagesGiveUpTheirDescriptors() throws {
        let files = FewFilesStore(MemoryStore(), most: 24)
        try Store.create(in: files, account: "a", region: "r")
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 8
        let store = try Store(opening: files, keys: InMemoryKMS(), holder: "t", limits: limits)
        let disks = try (0..<2).map { _ in
            try store.attach(
                try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id)
        }
        let contents = (0..<2).map { pattern(1 << 20, seed: $0) }
        for (disk, bytes) in zip(disks, contents) {
            for offset in stride(from: 0, to: 1 << 20, by: 8 * 4096) {
                try disk.put(Array(bytes[offset..<offset + 8 * 4096]), at: UInt64(offset))
            }
        }
        for _ in 0..<2 {
            for (disk, bytes) in zip(disks, contents) { #expect(try disk.bytes() == bytes) }
        }
        #expect(files.refusals > 0, "the limit was never met")
        for disk in disks { try store.detach(disk.id) }
        try store.close()
    }

    /// Many threads run short at once: none of them is refused because the others let go of all
    /// that was idle before its turn came.
    @Test func threadsThatRunShortTogetherAllGoOn() throws {
        let files = FewFilesStore(MemoryStore(), most: 28)
        try Store.create(in: files, account: "a", region: "r")
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 8
        let store = try Store(opening: files, keys: InMemoryKMS(), holder: "t", limits: limits)
        let disk = try store.attach(
            try store.createDisk(encrypted: false, size: 4 << 20, attributes: [:]).id)
        for offset in stride(from: 0, to: 4 << 20, by: 8 * 4096) {
            try disk.put(pattern(8 * 4096, seed: UInt64(offset)), at: UInt64(offset))
        }
        let failure = Mutex<String?>(nil)
        let threads = (0..<16).map { number in
            startThread(name: "reader \(number)") {
                var generator = SeededGenerator(seed: UInt64(number))
                for _ in 0..<1500 {
                    let block = UInt64.random(in: 0..<1024, using: &generator)
                    do {
                        _ = try disk.bytes(block * 4096, 4096)
                    } catch {
                        failure.withLock { $0 = "\(error)" }
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failure.withLock { $0 } == nil)
        #expect(files.refusals > 0, "the limit was never met")
        try store.close()
    }

    /// The limit of open chunks is one for all lineages.
    @Test func theLimitOfOpenChunksIsTheStores() throws {
        let files = FewFilesStore(MemoryStore(), most: 1000)
        try Store.create(in: files, account: "a", region: "r")
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 8
        limits.openChunks = 16
        let store = try Store(opening: files, keys: InMemoryKMS(), holder: "t", limits: limits)
        for _ in 0..<4 {
            let disk = try store.attach(
                try store.createDisk(encrypted: false, size: 1 << 20, attributes: [:]).id)
            for block in 0..<128 {
                try disk.put(pattern(4096, seed: UInt64(block)), at: UInt64(block * 4096))
            }
            _ = try disk.bytes()
        }
        #expect(store.status().openChunks <= 16)
        // Those in use stay open: the active and the next chunk of each disk, and those unsynced.
        #expect(files.open <= 16 + 4 * (2 + limits.unsyncedChunks))
        try store.close()
    }

    /// With nothing left to let go of, the error says which limit it is; the disk lives on.
    @Test func runningShortIsToldAndPasses() throws {
        let faulty = FaultyStore(MemoryStore())
        try Store.create(in: faulty, account: "a", region: "r")
        let store = try Store(
            opening: faulty, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let bytes = pattern(1 << 20, seed: 1)
        try store.attach(id).put(bytes, at: 0)
        try store.detach(id)
        let disk = try store.attach(id)
        faulty.arm(Fault([.openFile], isLasting: true, code: .tooManyFiles))
        let error = #expect(throws: DiskError.self) { _ = try disk.bytes() }
        #expect(error?.code == .hostLimit)
        faulty.disarm()
        #expect(try disk.bytes() == bytes)
        try store.close()
    }

    /// Locked memory for the keys of half of the chunks: idle ones give up theirs, and every block
    /// is read and written. In a process of its own, which gives up the right to lock more.
    @Test func idleChunksGiveUpTheirLockedMemory() async {
        await #expect(processExitsWith: .success) {
            // 16 KiB are four pages, of 127 keys each.
            var limit = rlimit(rlim_cur: 16 << 10, rlim_max: 16 << 10)
            try #require(setrlimit(Int32(__RLIMIT_MEMLOCK.rawValue), &limit) == 0)
            // Root may lock what it likes.
            try #require(getuid() != 0 || setuid(65534) == 0)
            let files = MemoryStore()
            try Store.create(in: files, account: "a", region: "r")
            var limits = Harness.smallLimits
            limits.slotsPerChunk = 8
            limits.openChunks = 10_000
            let store = try Store(opening: files, keys: InMemoryKMS(), holder: "t", limits: limits)
            let disks = try (0..<2).map { _ in
                try store.attach(
                    try store.createDisk(encrypted: true, size: 16 << 20, attributes: [:]).id)
            }
            let contents = (0..<2).map { pattern(16 << 20, seed: $0) }
            for (disk, bytes) in zip(disks, contents) { try disk.put(bytes, at: 0) }
            for _ in 0..<2 {
                for (disk, bytes) in zip(disks, contents) { #expect(try disk.bytes() == bytes) }
            }
            let chunks = files.names.count { $0.hasSuffix(".chunk") }
            #expect(chunks > 1024)
            #expect(store.status().openChunks < 508, "the limit was never met")
            for disk in disks { try store.detach(disk.id) }
            try store.close()
        }
    }

    /// A disk whose threads cannot be had does not attach; nothing stays behind, and it attaches
    /// when they can.
    @Test(arguments: [1, 2]) func anAttachWithoutThreadsIsRefused(at start: Int) throws {
        let threads = ScarceThreads()
        let files = MemoryStore()
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t",
            environment: Environment(threads: threads), limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let other = try store.attach(
            try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id)
        threads.left.withLock { $0 = start - 1 }
        let error = #expect(throws: DiskError.self) { try store.attach(id) }
        #expect(error?.code == .hostLimit)
        #expect(store.attached(id) == nil)
        #expect(store.status().openLineages == 1)
        let bytes = pattern(4096, seed: 3)
        try other.put(bytes, at: 0)
        threads.left.withLock { $0 = .max }
        try store.attach(id).put(bytes, at: 0)
        #expect(try other.bytes(0, 4096) == bytes)
        try store.close()
    }
}

/// Figures for the status come without the lock that is held through the medium's calls.
@Suite struct ReserveFigureTests {
    @Test func theReservesFigureTakesNoLock() throws {
        let threads = CountingThreads()
        let reserve = SpaceReserve(files: MemoryStore(), bytes: 1 << 20, threads: threads)
        #expect(reserve.refill())
        let before = threads.locks.load(ordering: .relaxed)
        #expect(reserve.heldBytes == 1 << 20)
        #expect(threads.locks.load(ordering: .relaxed) == before)
    }

    private final class CountingThreads: Threads {
        let locks = Atomic<Int>(0)

        func makeMonitor() -> Monitor { CountingMonitor(self) }

        func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
            -> any RunningThread
        {
            try SystemThreads().start(name: name, body)
        }
    }

    // @unchecked: adds a constant to its parent.
    private final class CountingMonitor: Monitor, @unchecked Sendable {
        private let threads: CountingThreads
        init(_ threads: CountingThreads) { self.threads = threads }

        override func lock() {
            threads.locks.wrappingAdd(1, ordering: .relaxed)
            super.lock()
        }
    }
}

/// The system's threads, as many as are left.
private final class ScarceThreads: Threads {
    let left = Mutex(Int.max)

    func makeMonitor() -> Monitor { Monitor() }

    func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
        -> any RunningThread
    {
        let isLeft = left.withLock { left in
            defer { left = max(0, left - 1) }
            return left > 0
        }
        guard isLeft else { throw ThreadLimit(thread: name, cause: "no more threads in this test") }
        return try SystemThreads().start(name: name, body)
    }
}
