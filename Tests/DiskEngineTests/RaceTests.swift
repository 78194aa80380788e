import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement
import Scheduling
import Synchronization
import Testing

@testable import DiskEngine

/// Opened once, for all who wait and will.
final class Gate: @unchecked Sendable {
    // @unchecked: `isOpen` is accessed under `monitor`.
    private let monitor = Monitor()
    private var isOpen = false

    func raise() {
        monitor.withLock {
            isOpen = true
            monitor.announce()
        }
    }

    func pass() { monitor.withLock { while !isOpen { monitor.wait() } } }
}

/// Blocks the first store call that meets `when` once armed.
final class Hold: Sendable {
    let reached = Gate(), go = Gate()
    let armed = Atomic<Bool>(false)
    let when: @Sendable (StoreOperation, String) -> Bool
    init(_ when: @escaping @Sendable (StoreOperation, String) -> Bool) { self.when = when }
    func see(_ o: StoreOperation, _ n: String) {
        guard when(o, n), armed.exchange(false, ordering: .sequentiallyConsistent) else { return }
        reached.raise()
        go.pass()
    }
}

final class Runner: Sendable {
    let thread: any RunningThread
    init(_ body: @escaping @Sendable () -> Void) {
        thread = startThread(name: "t", body)
    }
    func join() { thread.join() }
}

/// Interleavings and inputs that once lost data, each found by reading.
@Suite(.serialized) struct RaceTests {
    @Test func pinLeavesAcrossAGibibyte() throws {
        let memory = MapMemory(limitBytes: 4096, threads: SystemThreads())
        let tree = MapTree(root: .hole, storedBlocks: 0, memory: memory)
        let b: UInt64 = 1 << 18
        func addr(_ n: UInt32) -> BlockAddress {
            .init(chunk: .init(lane: 1, sequence: 1), slot: n)
        }
        _ = tree.pinLeaves(of: b..<b + 8)
        tree.store(b + 5..<b + 6, at: addr(5))
        tree.unpin(b..<b + 8)
        tree.freeze()
        var n: UInt32 = 10
        for page in tree.frozen.values.sorted(by: {
            ($0.id.level, $0.id.index) < ($1.id.level, $1.id.index)
        }) {
            tree.written(page, at: addr(n))
            n += 1
        }
        tree.checkInvariants()
        switch tree.pinLeaves(of: b - 1..<b + 1) {
        case .missing: break
        case .done:
            let page = try #require(tree.pages[.leaf(of: b)])
            #expect(page.entries[5] == addr(5).rawValue, "block b+5 was silently lost")
        }
    }

    @Test func reclaimWithAnUnreadablePendingFile() throws {
        let h = try Harness()
        let a = try h.disk(encrypted: true)
        try a.put(pattern(4096 * 8, seed: 1), at: 0)
        let s = try h.store.createSnapshot(of: a.id, attributes: [:])
        let bID = try h.store.createDisk(from: s.id, size: nil, attributes: [:]).id
        let b = try h.store.attach(bID)
        let data = pattern(1 << 20, seed: 2)
        try b.put(data, at: 0)
        let t = try h.store.createSnapshot(of: a.id, attributes: [:])
        let lineage = a.lineage.id
        let lane = b.manifest.lane
        try h.store.detach(bID)
        try h.store.detach(a.id)
        let pending = ObjectName(StoreLayout.pendingSize(lineage, bID))!
        try h.files.replaceObject(pending, with: Array("{".utf8))
        try h.reopen()
        try h.store.attach(a.id)
        func chunks() -> Int {
            h.chunkFiles.count { $0.hasPrefix(StoreLayout.lane(lineage, lane) + "/") }
        }
        let before = chunks()
        try h.store.deleteSnapshot(t.id)
        h.store.reclaimer.waitUntilIdle()
        #expect(chunks() == before)
        try h.files.remove(pending)
        try h.reopen()
        let again = try h.store.attach(bID)
        #expect((try? again.bytes()) == data, "disk B lost its data")
        try h.store.close()
    }

    @Test func aDeletionThatFailedAndTheDiskUsedOn() throws {
        let memory = MemoryStore()
        let files = FaultyStore(memory)
        let keys = InMemoryKMS()
        try Store.create(in: files, account: "a", region: "r")
        var store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        files.arm(Fault([.remove], prefix: "lineages/"))
        #expect(throws: (any Error).self) { try store.deleteDisk(id) }
        files.disarm()
        // 1: pending; 2: lineage.manifest
        files.arm(Fault([.remove], prefix: "lineages/", call: 2))
        #expect(throws: (any Error).self) { try store.deleteDisk(id) }
        files.disarm()
        if let disk = try? store.attach(id) {
            try disk.put([UInt8](repeating: 7, count: 4096), at: 0)
            try disk.flush()
            try store.detach(id)
            try store.close()
            store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
            let again = try? store.attach(id)
            #expect(again != nil, "attached and flushed after the failed deletion; now gone")
        }
        try store.close()
    }

    @Test func openSnapshotOfAPlainLineageAgainstAttach() throws {
        let memory = MemoryStore()
        let hold = Hold { $0 == .readObject && $1.hasSuffix("lineage.manifest") }
        let files = FaultyStore(memory, observer: hold.see)
        let keys = InMemoryKMS()
        try Store.create(in: files, account: "a", region: "r")
        var store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        let a = try store.createDisk(encrypted: false, size: 1 << 20, attributes: [:]).id
        try store.attach(a).put(pattern(4096, seed: 1), at: 0)
        let s = try store.createSnapshot(of: a, attributes: [:]).id
        let b = try store.createDisk(from: s, size: nil, attributes: [:]).id
        try store.close()
        store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        hold.armed.store(true, ordering: .sequentiallyConsistent)
        let held = store
        let box = Mutex<SnapshotReader?>(nil)
        let thread = Runner {
            let r = try? held.openSnapshot(s)
            box.withLock { $0 = r }
        }
        hold.reached.pass()
        // The attach may wait for the one that is held: let it go meanwhile.
        let release = Runner { hold.go.raise() }
        let disk = try store.attach(a)
        hold.go.raise()
        thread.join()
        release.join()
        let data = pattern(4096, seed: 2)
        try disk.put(data, at: 0)
        try disk.flush()
        let other = try store.attach(b)
        #expect(other.lineage === disk.lineage, "two lineage objects write one manifest")
        try other.put(data, at: 0)
        try other.flush()
        box.withLock { $0 = nil }
        try? store.close()
        store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        do {
            let again = try store.attach(a)
            #expect(try again.bytes(0, 4096) == data)
        } catch {
            Issue.record("disk A is lost: \(error)")
        }
        try? store.close()
    }

    @Test func aLaneFreedTwice() throws {
        let memory = MemoryStore()
        let hold = Hold { op, name in op == .read && name.hasSuffix(".chunk") }
        let files = FaultyStore(memory, observer: hold.see)
        let keys = InMemoryKMS()
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(opening: files, keys: keys, holder: "t", limits: Harness.smallLimits)
        let a = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(a)
        try disk.put(pattern(4096, seed: 1), at: 0)
        let s = try store.createSnapshot(of: a, attributes: [:]).id
        let x = try store.createDisk(from: s, size: nil, attributes: [:]).id
        let xd = try store.attach(x)
        try xd.put(pattern(1 << 20, seed: 3), at: 0)
        let lane = xd.manifest.lane
        let lineage = disk.lineage.id
        try store.detach(x)
        store.reclaimer.waitUntilIdle()
        // The first pass frees the lane; removing its chunks fails.
        files.arm(Fault([.remove], prefix: StoreLayout.lane(lineage, lane), isLasting: true))
        try store.deleteDisk(x)
        store.reclaimer.waitUntilIdle()
        files.disarm()
        // The second is at its mark while a clone takes the lane.
        hold.armed.store(true, ordering: .sequentiallyConsistent)
        store.reclaimer.request(lineage)
        hold.reached.pass()
        let y = try store.createDisk(from: s, size: nil, attributes: [:]).id
        hold.go.raise()
        store.reclaimer.waitUntilIdle()
        let z = try store.createDisk(from: s, size: nil, attributes: [:]).id
        let data = pattern(1 << 20, seed: 4)
        let yd = try store.attach(y)
        try yd.put(data, at: 0)
        try yd.flush()
        try store.detach(y)
        let zd = try store.attach(z)
        #expect(zd.manifest.lane != yd.manifest.lane, "two disks own one lane")
        try zd.put(pattern(4096, seed: 5), at: 0)
        try zd.flush()
        do {
            #expect(try store.attach(y).bytes() == data, "wrong data")
        } catch {
            Issue.record("disk Y is lost: \(error)")
        }
        try? store.close()
    }
}
