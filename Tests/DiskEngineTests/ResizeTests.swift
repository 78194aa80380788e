import ChunkStore
import DiskFormat
import Glibc
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// Growth of an attached disk is asked for on threads that serve the kernel.
@Suite struct ResizeTests {
    /// A size that was asked for and cannot be read now is not forgotten.
    @Test(arguments: [StoreError.Code.denied, .tooManyFiles, .io])
    func aSizeThatCannotBeReadIsNotLost(code: StoreError.Code) throws {
        let files = FaultyStore(MemoryStore())
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        let made = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
        try store.resize(made.id, to: 2 << 20)
        files.arm(
            Fault(
                [.readObject], prefix: StoreLayout.pendingSize(made.lineage, made.id),
                isLasting: true, code: code))
        #expect(throws: DiskError.self) { try store.attach(made.id) }
        files.disarm()
        #expect(try store.attach(made.id).size == 2 << 20)
        try store.close()
    }

    /// Another disk's recovery hangs on its medium: this one grows all the same.
    @Test func growthWaitsForNoOtherDisk() throws {
        let memory = MemoryStore()
        let reached = Gate()
        let go = Gate()
        let held = Mutex<String?>(nil)
        let files = FaultyStore(memory) { operation, name in
            let isHeld = held.withLock { held in
                guard operation == .openFile, let prefix = held, name.hasPrefix(prefix) else {
                    return false
                }
                held = nil
                return true
            }
            guard isHeld else { return }
            reached.raise()
            go.pass()
        }
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        let slow = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
        try store.attach(slow.id).put(pattern(4096, seed: 1), at: 0)
        try store.detach(slow.id)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        held.withLock { $0 = StoreLayout.chunks(slow.lineage) }
        let attach = Runner { #expect(throws: Never.self) { try store.attach(slow.id) } }
        reached.pass()
        let isDone = Atomic(false)
        let growth = Runner {
            #expect(throws: Never.self) { try store.resize(id, to: 2 << 20) }
            isDone.store(true, ordering: .sequentiallyConsistent)
        }
        wait { isDone.load(ordering: .sequentiallyConsistent) }
        #expect(disk.size == 2 << 20, "it waits for the other disk")
        go.raise()
        growth.join()
        attach.join()
        #expect(try store.disk(id).size == 2 << 20)
        try store.close()
    }

    /// Of two sizes asked for at once the larger one stays, and the catalogue shows it.
    @Test func manyAtOnceNeverShrinkADisk() throws {
        let harness = try Harness()
        let store = harness.store
        let disk = try harness.disk(1 << 20)
        let runners = (1...16).map { step in
            Runner {
                do {
                    try store.resize(disk.id, to: UInt64(step + 1) << 20)
                } catch {
                    #expect((error as? DiskError)?.code == .invalid)
                }
            }
        }
        for runner in runners { runner.join() }
        #expect(disk.size == 17 << 20)
        let shown = store.monitor.withLock { store.catalogue.disks[disk.id]?.manifest }
        let manifest = disk.monitor.withLock { disk.manifest }
        #expect(shown == manifest)
        try harness.reopen()
        #expect(try harness.store.attach(disk.id).size == 17 << 20)
        try harness.store.close()
    }

    /// A detach waits for a growth under way; one that comes later is told.
    @Test func aDetachWaitsForIt() throws {
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
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        isArmed.store(true, ordering: .sequentiallyConsistent)
        let growth = Runner { #expect(throws: Never.self) { try store.resize(id, to: 2 << 20) } }
        reached.pass()
        let detach = Runner { #expect(throws: Never.self) { try store.detach(id) } }
        wait { disk.monitor.withLock { disk.isClosing } }
        #expect(disk.monitor.withLock { disk.operations } == 1)
        #expect(store.attached(id) != nil)
        #expect(diskErrorCode { try disk.unlockedOperation {} } == .sessionOver)
        go.raise()
        growth.join()
        detach.join()
        #expect(try store.disk(id).size == 2 << 20)
        try store.close()
    }

    /// For what should happen soon, and never happens where it must fail.
    private func wait(until isSo: () -> Bool) {
        for _ in 0..<2000 where !isSo() { usleep(10_000) }
    }
}
