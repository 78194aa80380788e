import ChunkStore
import DiskFormat
import KeyManagement
import Scheduling
import Synchronization
import Testing

@testable import DiskEngine

/// What it costs to find a frame of a sealed snapshot, and what is found when the map is not what
/// the manifest says.
@Suite struct SealedWalkTests {
    private let files = FaultyStore(MemoryStore())
    private let threads = CountingThreads()
    private let store: Store

    init() throws {
        try Store.create(in: files, account: "a", region: "r")
        store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t",
            environment: Environment(threads: threads), limits: Harness.smallLimits)
    }

    /// More frames than the 256 from one kept start to the next, in more leaves than one.
    private static let frames = 300
    private static let blocks = frames * SealedGeometry.itemsPerFrame

    /// A snapshot of a plain disk that is full and not attached: no thread is at work on it.
    private func snapshot(blocks: Int) throws -> SnapshotID {
        let size = UInt64(blocks * 4096)
        let id = try store.createDisk(encrypted: false, size: size, attributes: [:]).id
        let disk = try store.attach(id)
        let piece = pattern(1 << 20, seed: 8)
        for offset in stride(from: 0, to: blocks * 4096, by: piece.count) {
            try disk.put(Array(piece.prefix(blocks * 4096 - offset)), at: UInt64(offset))
        }
        let snapshot = try store.createSnapshot(of: id, attributes: [:]).id
        try store.detach(id)
        store.reclaimer.waitUntilIdle()
        return snapshot
    }

    /// The whole file by reads of 128 KiB, and the calls of the store that they took.
    private func reads(of sealed: SealedSnapshotReader, by count: Int) throws -> Int {
        let before = files.count(of: [.read])
        for offset in stride(from: 0, to: Int(sealed.size), by: count) {
            _ = try sealed.bytes(offset, count)
        }
        return files.count(of: [.read]) - before
    }

    @Test func aFrameIsMadeOnceForAllItsPieces() throws {
        let id = try snapshot(blocks: 5 * SealedGeometry.itemsPerFrame)
        let sealed = try store.openSealedSnapshot(id)
        _ = try sealed.bytes()  // from here on its map and chunks are open
        _ = try sealed.bytes(0, 2 * SealedGeometry.maximumFrameSize)
        let inOne = try reads(of: sealed, by: Int(sealed.size))
        _ = try sealed.bytes(0, 2 * SealedGeometry.maximumFrameSize)
        let inPieces = try reads(of: sealed, by: 131_072)
        #expect(inOne > 0 && inPieces == inOne)
        try store.close()
    }

    /// Counted by the locks that were taken, of which each leaf that is passed takes some.
    @Test func whoReadsOnDoesNotWalkAgain() throws {
        let id = try snapshot(blocks: Self.blocks)
        let sealed = try store.openSealedSnapshot(id)
        let last = try sealed.bytes(Int(sealed.size) - 4096, 4096)
        let before = threads.locks
        let whole = try (0..<Self.frames).map { frame in
            try sealed.bytes(4096 + frame * SealedGeometry.maximumFrameSize, 4096)
        }
        #expect((threads.locks - before) / Self.frames < 100)
        #expect(Set(whole).count == Self.frames)
        #expect(try sealed.bytes(Int(sealed.size) - 4096, 4096) == last)
        let middle = 4096 + 270 * SealedGeometry.maximumFrameSize
        let fresh = try store.openSealedSnapshot(id)
        #expect(try fresh.bytes(middle, 4096) == whole[270])
        try store.close()
    }

    /// What the map holds and what the manifest says must agree, or the size would be a lie.
    @Test(arguments: [-1, 1, 200]) func aCountThatIsWrongIsDamage(more: Int) throws {
        let blocks = 3 * SealedGeometry.itemsPerFrame + 1
        let id = try snapshot(blocks: blocks + 200)
        let good = try store.openSnapshot(id)
        var manifest = good.manifest
        let state = manifest.state
        let damage = Mutex<[String]>([])
        manifest = SnapshotManifest(
            id: id, disk: manifest.disk, created: manifest.created,
            state: DiskState(
                root: state.root, size: state.size + 4096 * 300,
                storedBlocks: UInt64(Int(state.storedBlocks) + more), session: state.session),
            salt: manifest.salt, attributes: [:])
        let sealed = try SealedSnapshotReader(
            SnapshotReader(
                manifest, lineage: good.reader.lineage, memory: store.memory,
                onDamage: { text in damage.withLock { $0.append(text) } }, onClose: {}),
            store: store.identity.storeID, onDigest: { _ in })
        #expect { _ = try sealed.bytes() } throws: { ($0 as? DiskError)?.code == .damaged }
        #expect(damage.withLock { $0.count } == 1)
        #expect(try sealed.bytes(0, 9000).count == 9000)
        good.close()
        try store.close()
    }

    /// A medium that failed once is asked again.
    @Test func anErrorIsNotKept() throws {
        let id = try snapshot(blocks: 200)
        let sealed = try store.openSealedSnapshot(id)
        files.arm(Fault([.read], call: 1, isLasting: true))
        #expect { _ = try sealed.bytes(4096, 10) } throws: { ($0 as? DiskError)?.code == .io }
        files.disarm()
        #expect(try sealed.bytes(4096, 10).count == 10)
        try store.close()
    }

    @Test func startsAreKeptAtIntervalsAndForTheNextFrame() {
        var starts = FrameStarts()
        for frame in 1...700 as ClosedRange<UInt64> { starts.pass(frame, at: frame * 1000) }
        #expect(starts.nearest(to: 255) == (0, 0))
        #expect(starts.nearest(to: 256) == (256, 256_000))
        #expect(starts.nearest(to: 700) == (512, 512_000))
        #expect(starts.nearest(to: 1 << 30) == (512, 512_000))
        starts.expect(601, at: 601_000)
        #expect(starts.nearest(to: 600) == (512, 512_000))
        #expect(starts.nearest(to: 601) == (601, 601_000))
        #expect(starts.nearest(to: 690) == (601, 601_000))
        for frame in 2...40 as ClosedRange<UInt64> { starts.expect(frame, at: frame) }
        #expect(starts.nearest(to: 601) == (512, 512_000))
        #expect(starts.nearest(to: 30) == (30, 30))
        starts.expect(768, at: 768_000)
        #expect(starts.nearest(to: 800) == (768, 768_000))
    }
}

/// Threads whose monitors count how often they are locked.
private final class CountingThreads: Threads {
    private final class Counter: Sendable {
        let count = Atomic<Int>(0)
    }

    // @unchecked: it adds a constant to what may be used from any thread.
    private final class CountingMonitor: Monitor, @unchecked Sendable {
        private let counter: Counter
        init(_ counter: Counter) { self.counter = counter }

        override func lock() {
            counter.count.wrappingAdd(1, ordering: .relaxed)
            super.lock()
        }
    }

    private let counter = Counter()

    var locks: Int { counter.count.load(ordering: .relaxed) }

    func makeMonitor() -> Monitor { CountingMonitor(counter) }

    func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
        -> any RunningThread
    {
        try SystemThreads().start(name: name, body)
    }
}
