import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// An attach takes no more map memory than there is, however long the log, and can be cut off
/// anywhere.
@Suite struct ReplayTests {
    /// A log of changes in ever another part of the map, and several times the map memory.
    @Test(arguments: [true, false]) func aLongLogIsReplayedInBoundedMemory(encrypted: Bool) throws {
        var log = try LongLog(encrypted: encrypted)
        try log.write(0..<1500)
        try log.attach(afterA: .kill) { disk, peak in
            let memory = disk.map.memory
            #expect(disk.map.dirty.count <= memory.dirtyShare + 8)
            #expect(peak <= memory.limitPages + 16, "\(peak) of \(memory.limitPages) pages")
            #expect(disk.storedBytes == 1500 * 4096)
            try log.verify(disk)
        }
    }

    /// However much a disk has written, an attach reads the part of its log that its checkpoints
    /// leave, and nothing of all before.
    @Test func anAttachReadsABoundedPartOfTheLog() throws {
        func reads(afterBlocks blocks: Int) throws -> Int {
            var limits = Harness.smallLimits
            limits.checkpointLogBlocks = 64
            let harness = try Harness(limits: limits)
            let disk = try harness.disk()
            var generator = SeededGenerator(seed: 5)
            for block in 0..<blocks {
                let place = UInt64.random(in: 0..<256, using: &generator)
                try disk.put(pattern(4096, seed: UInt64(block)), at: place * 4096)
            }
            try disk.flush()
            // The one that is due: its thread may have had no processor until now.
            while disk.monitor.withLock({ disk.wantsCheckpoint || disk.isCheckpointing }) {
                usleep(1000)
            }
            let files = FaultyStore(harness.files.copy())
            let store = try Store(
                opening: files, keys: harness.keys, holder: "t", limits: limits)
            let before = files.count(of: [.read, .openFile])
            let attached = try store.attach(disk.id)
            let count = files.count(of: [.read, .openFile]) - before
            #expect(try attached.bytes() == disk.bytes())
            try store.close()
            try harness.store.close()
            return count
        }
        let (few, many) = (try reads(afterBlocks: 1000), try reads(afterBlocks: 10_000))
        #expect(many < 2 * few, "\(few) calls, then \(many)")
    }

    /// One entry that touches more of the map than an engine would ever let one touch.
    @Test func oneDiscardOfEverythingIsReplayedInParts() throws {
        var log = try LongLog(encrypted: false)
        try log.write(0..<1500)
        try log.detach()
        try log.discardInOneEntry()
        try log.attach(afterA: .kill) { disk, peak in
            let memory = disk.map.memory
            #expect(disk.map.dirty.count <= memory.dirtyShare + 4 * Limits.leavesPerDiscard)
            #expect(peak <= memory.limitPages + 16, "\(peak) of \(memory.limitPages) pages")
            #expect(disk.storedBytes == 0)
            try log.verify(disk)
        }
    }

    /// The power fails before each call that changes the store, and again while what that left is
    /// attached.
    @Test func aReplayMayBeCutOffAnywhereAndAgain() throws {
        var log = try LongLog(encrypted: true)
        try log.write(0..<300)
        try log.flush()
        var first: [MemoryStore] = []
        try log.attach(afterA: .powerCut, collecting: &first) { disk, _ in try log.verify(disk) }
        #expect(first.count > 20)
        for (index, left) in first.enumerated() {
            var second: [MemoryStore] = []
            try log.attach(left, collecting: &second) { disk, _ in try log.verify(disk) }
            for (number, left) in second.enumerated() where (index + number) % 29 == 0 {
                try log.attach(left) { disk, _ in try log.verify(disk) }
            }
        }
    }

    /// Logs of several sessions, each cut off in its turn, with writes and discards all over.
    @Test(arguments: UInt64(1)...6) func sessionsAndCrashesInTurn(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var log = try LongLog(encrypted: seed.isMultiple(of: 2))
        for _ in 0..<6 {
            let start = Int.random(in: 0..<1200, using: &generator)
            try log.write(start..<start + Int.random(in: 1...600, using: &generator))
            let hole = Int.random(in: 0..<1600, using: &generator)
            try log.discard(hole..<hole + Int.random(in: 1...200, using: &generator))
            try log.flush()
            var left: [MemoryStore] = []
            try log.attach(afterA: .powerCut, collecting: &left) { disk, _ in try log.verify(disk) }
            // On with what a crash in the middle of it left, if there was anything to be cut off.
            if let left = left.randomElement(using: &generator) { try log.go(on: left) }
        }
    }

    /// A full store is no reason to refuse a disk while there is memory; then it is said.
    @Test func onAFullStoreItGoesOnWhileThereIsMemory() throws {
        for (count, refusal) in [(400, nil), (1500, DiskError.Code.noSpace)] {
            var log = try LongLog(encrypted: true)
            try log.write(0..<count)
            let files = FaultyStore(log.left(byA: .kill))
            files.arm(Fault([.createFile], isLasting: true, code: .noSpace))
            let store = try log.open(files)
            if let refusal {
                let error = #expect(throws: DiskError.self) { try store.attach(log.id) }
                #expect(error?.code == refusal)
                #expect(error?.message.contains("map_memory") == true)
                #expect(store.status().openLineages == 0)
                files.disarm()
            }
            let disk = try store.attach(log.id)
            try log.verify(disk)
            files.disarm()
            try store.close()
        }
    }

    /// While the newest checkpoint cannot be read none is taken below it, where the next replay
    /// would find it missing.
    @Test(arguments: [400, 1500]) func belowAnUnreadableCheckpointNoneIsTaken(count: Int) throws {
        var log = try LongLog(encrypted: true)
        try log.write(0..<8)
        try log.attached.checkpoint()
        try log.write(8..<count)
        try log.attached.checkpoint()
        try log.write(count..<count + 300)
        let newest = log.attached.monitor.withLock { log.attached.manifest.checkpoints[0].slot }
        let left = log.left(byA: .kill)
        let chunk = ObjectName(StoreLayout.chunk(log.attached.lineage.id, newest.chunk))!
        let body = log.attached.layout.bodyOffset(of: newest.slot)
        try left.flip(chunk, byte: Int(body))
        let store = try log.open(left)
        if count > 1000 {
            let error = #expect(throws: DiskError.self) { try store.attach(log.id) }
            #expect(error?.code == .limit)
            #expect(error?.message.contains("map_memory") == true)
        } else {
            try log.verify(try store.attach(log.id))
            let again = left.copy()
            again.crash()
            try log.attach(again) { disk, _ in try log.verify(disk) }
        }
        try store.close()
    }
}

/// A disk of 2 TiB whose blocks are a gibibyte apart: each change dirties two pages of the map. It
/// is written with plenty of map memory, so that its log grows long, and attached with little.
private struct LongLog {
    private let keys = InMemoryKMS()
    private var store: Store
    private var files: MemoryStore
    let id: DiskID
    private var content: [Int: UInt64] = [:]
    private var writes: UInt64 = 0

    private static var limits: Limits {
        var limits = Harness.smallLimits
        limits.mapMemory = 256 << 20
        limits.checkpointLogBlocks = 1 << 30
        return limits
    }

    init(encrypted: Bool) throws {
        files = MemoryStore()
        try Store.create(in: files, account: "a", region: "r")
        store = try Store(opening: files, keys: keys, holder: "t", limits: Self.limits)
        id = try store.createDisk(encrypted: encrypted, size: 2 << 40, attributes: [:]).id
        try store.attach(id)
    }

    var attached: Disk { store.attached(id)! }

    mutating func write(_ places: Range<Int>) throws {
        for place in places {
            writes += 1
            try attached.put(pattern(4096, seed: writes), at: UInt64(place) << 30)
            content[place] = writes
        }
    }

    mutating func discard(_ places: Range<Int>) throws {
        try attached.discard(
            at: UInt64(places.lowerBound) << 30, length: UInt64(places.count) << 30)
        for place in places { content[place] = nil }
    }

    /// As no engine would log it.
    mutating func discardInOneEntry() throws {
        let disk = attached
        try disk.monitor.withLock {
            let slots = try disk.reserve(upTo: 1, for: .bookkeeping)
            try disk.perform(slots) { run in
                try slots.chunk.cipher.seal(
                    run, at: slots.firstSlot,
                    discard: .discard(0..<disk.bytes / 4096, durableSlots: slots.durableSlots))
            }
            disk.complete(slots)
        }
        content = [:]
    }

    func flush() throws { try attached.flush() }

    mutating func detach() throws {
        try store.detach(id)
        try store.attach(id)
    }

    func verify(_ disk: Disk) throws {
        for place in 0...(content.keys.max() ?? 1600) {
            let found = try disk.bytes(UInt64(place) << 30, 4096)
            let expected =
                content[place].map { pattern(4096, seed: $0) } ?? [UInt8](repeating: 0, count: 4096)
            guard found == expected else {
                Issue.record("place \(place) differs")
                return
            }
        }
        disk.monitor.withLock { disk.map.checkInvariants() }
        #expect(disk.storedBytes == UInt64(content.count) * 4096)
    }

    /// The store as a crash at this moment would leave it.
    func left(byA crash: Harness.Crash) -> MemoryStore {
        let left = files.copy()
        if crash == .powerCut { left.crash() }
        return left
    }

    /// Goes on with what a crash left.
    mutating func go(on left: MemoryStore) throws {
        try? store.close()  // the old process's threads; its store is no longer looked at
        files = left
        store = try Store(opening: files, keys: keys, holder: "t", limits: Self.limits)
        try store.attach(id)
    }

    func open(_ files: any ChunkStore) throws -> Store {
        var limits = Self.limits
        limits.mapMemory = 4 << 20
        return try Store(opening: files, keys: keys, holder: "t", limits: limits)
    }

    /// Attaches with little map memory; `body` learns how many pages there were at most.
    func attach(afterA crash: Harness.Crash, _ body: (Disk, Int) throws -> Void) throws {
        var ignored: [MemoryStore] = []
        try attach(left(byA: crash), collecting: &ignored, body)
    }

    func attach(
        afterA crash: Harness.Crash, collecting found: inout [MemoryStore],
        _ body: (Disk, Int) throws -> Void
    ) throws {
        try attach(left(byA: crash), collecting: &found, body)
    }

    func attach(_ files: MemoryStore, _ body: (Disk, Int) throws -> Void) throws {
        var ignored: [MemoryStore] = []
        try attach(files, collecting: &ignored, body)
    }

    /// Also gives what a power failure before each call that changes the store would leave.
    func attach(
        _ files: MemoryStore, collecting found: inout [MemoryStore],
        _ body: (Disk, Int) throws -> Void
    ) throws {
        let watch = Watch(files)
        let store = try open(FaultyStore(files, observer: watch.see))
        watch.state.withLock { $0.memory = store.memory }
        let disk = try store.attach(id)
        let (peak, left) = watch.state.withLock { state in
            state.memory = nil
            return (state.peak, state.left)
        }
        found = left
        try body(disk, peak)
        try store.close()
    }

    private final class Watch: Sendable {
        let files: MemoryStore
        let state = Mutex(State())
        struct State {
            var memory: MapMemory?
            var peak = 0
            var left: [MemoryStore] = []
        }

        init(_ files: MemoryStore) { self.files = files }

        func see(_ operation: StoreOperation, _ name: String) {
            state.withLock { state in
                guard let memory = state.memory else { return }
                state.peak = max(state.peak, memory.usedPages)
                switch operation {
                case .createFile, .remove, .replaceObject, .write, .synchronize:
                    let left = files.copy()
                    left.crash()
                    state.left.append(left)
                default: break
                }
            }
        }
    }
}
