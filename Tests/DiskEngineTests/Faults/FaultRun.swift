import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// A small life of a disk on a store that fails when told to, with a model of what may have come of
/// it. Every call may throw, and a `DiskError` only; the run then goes on, detaching and attaching
/// again where the session is over, and power is cut in a copy of the store at each failure.
final class FaultRun {
    let memory = MemoryStore()
    let files: FaultyStore
    let what: String
    private let keys = InMemoryKMS()
    private var store: Store?
    private var disk: Disk?
    private var id: DiskID?
    private var model = FaultModel()
    private var snapshots: [SnapshotID: [Set<UInt8>]] = [:]
    /// What is being deleted, and may be gone.
    private var dispensable: Set<SnapshotID> = []
    private var isDispensable = false
    private(set) var failures = 0

    init(_ what: String) {
        self.what = what
        files = FaultyStore(memory)
    }

    private static var limits: Limits {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 32
        limits.checkpointLogBlocks = 64
        limits.reserveBytes = 64 << 10
        limits.leastReclaimBlocks = 8
        limits.leastDiscardBlocks = 4
        return limits
    }

    private func open(_ files: any ChunkStore) throws -> Store {
        try Store(opening: files, keys: keys, holder: "tests", limits: Self.limits)
    }

    // MARK: The life

    func run() {
        attempt("create the store") { try Store.create(in: files, account: "a", region: "r") }
        guard opened() else { return }
        attempt("create") {
            id = try store?.createDisk(encrypted: true, size: 64 * 4096, attributes: [:]).id
        }
        write(0..<40, 1)
        flush()
        takeSnapshot()
        write(20..<60, 2)
        discard(4..<12)
        flush()
        read()
        takeSnapshot()
        write(0..<8, 3)
        detach()
        attempt("close") { try store?.close() }
        store = nil
        guard opened() else { return }
        read()
        write(30..<34, 4)
        if let first = snapshots.keys.sorted().first { delete(first) }
        store?.reclaimer.waitUntilIdle()
        flush()
        read()
        detach()
        verify(memory.copy(), model.live, "at the end")
        deleteEverything()
        attempt("close") { try store?.close() }
        store = nil
    }

    private func delete(_ snapshot: SnapshotID) {
        // Before the call: power may be cut within, or the failure reported be a false one.
        dispensable.insert(snapshot)
        repeated("delete a snapshot") { try store?.deleteSnapshot(snapshot) }
        snapshots[snapshot] = nil
    }

    /// What was deleted is gone, the wrapped key and every chunk with it.
    private func deleteEverything() {
        for snapshot in snapshots.keys.sorted() { delete(snapshot) }
        guard let id else { return }
        for snapshot in (try? store?.snapshots()) ?? [] { delete(snapshot.id) }
        isDispensable = true
        repeated("delete the disk") { try store?.deleteDisk(id) }
        self.id = nil
        store?.reclaimer.waitUntilIdle()
        let left = memory.names.filter { $0.hasPrefix(StoreLayout.lineages) }
        #expect(left.isEmpty, "\(what): left after everything was deleted")
        let damage = store?.status().damage ?? [:]
        #expect(damage.isEmpty, "\(what): after everything was deleted")
    }

    /// What failed once works when it is asked for again.
    private func repeated(_ step: String, _ body: () throws -> Void) {
        let isDone = attempt(step, body) || attempt("\(step) again", body)
        #expect(isDone, "\(what): cannot \(step)")
    }

    /// Opens the store, at the second attempt if need be: faults that last are for other tests.
    private func opened() -> Bool {
        for _ in 0..<2 where store == nil {
            attempt("open the store") { store = try open(files) }
        }
        if store == nil {
            // Not even made, if the very first call failed.
            attempt("create again") { try Store.create(in: files, account: "a", region: "r") }
            attempt("open again") { store = try open(files) }
        }
        #expect(store != nil, "\(what): the store does not open")
        return store != nil
    }

    /// The disk, attached, at the second attempt if need be.
    private func attached() -> Disk? {
        guard let id else { return nil }
        for _ in 0..<2 where disk == nil { attempt("attach") { disk = try store?.attach(id) } }
        #expect(disk != nil, "\(what): the disk does not attach")
        return disk
    }

    private func write(_ blocks: Range<Int>, _ version: UInt8) {
        guard let disk = attached() else { return }
        change(blocks, version) {
            try disk.put(
                FaultModel.content(blocks, version), at: UInt64(blocks.lowerBound * 4096))
        }
    }

    private func discard(_ blocks: Range<Int>) {
        guard let disk = attached() else { return }
        change(blocks, 0) {
            try disk.discard(
                at: UInt64(blocks.lowerBound * 4096), length: UInt64(blocks.count * 4096))
        }
    }

    private func change(_ blocks: Range<Int>, _ version: UInt8, _ body: () throws -> Void) {
        // Before the call: power may be cut within.
        model.mayHaveWritten(blocks, version)
        if attempt("change blocks \(blocks)", body) { model.wrote(blocks, version) }
        leaveIfOver()
    }

    private func flush() {
        guard let disk = attached() else { return }
        if attempt("flush", { try disk.flush() }) { model.flushed() }
        leaveIfOver()
    }

    private func takeSnapshot() {
        guard let id, attached() != nil else { return }
        attempt("take a snapshot") {
            if let made = try store?.createSnapshot(of: id, attributes: [:]) {
                snapshots[made.id] = model.live
            }
        }
        leaveIfOver()
    }

    private func read() {
        guard let disk = attached() else { return }
        attempt("read") {
            let bytes = try disk.bytes()
            check(bytes, model.live, "read")
            model.observed(bytes)
        }
    }

    private func detach() {
        guard let id, disk != nil else { return }
        if attempt("detach", { try store?.detach(id) }) {
            model.flushed()
        } else {
            #expect(store?.attached(id) == nil, "\(what): still attached after a failed detach")
            model.sessionLost()
        }
        disk = nil
    }

    /// Once the session is over, only a detach leads on; it must work, whatever it reports.
    private func leaveIfOver() {
        guard let disk, disk.status().failure != nil, let id else { return }
        attempt("detach a lost session") { try store?.detach(id) }
        #expect(store?.attached(id) == nil, "\(what): a lost session stays attached")
        self.disk = nil
        model.sessionLost()
    }

    @discardableResult
    private func attempt(_ step: String, _ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            failures += 1
            let code = (error as? DiskError)?.code
            let isExpected = [.io, .noSpace, .sessionOver].contains(code)
            // A store that was never made is not there.
            let isMissing = code == .notFound && step.hasPrefix("open")
            #expect(isExpected || isMissing, "\(what), \(step): \(error)")
            let left = memory.copy()
            left.crash()
            verify(left, model.kept, "power cut after a failure to \(step)")
            return false
        }
    }

    // MARK: What must be there

    private func check(_ bytes: [UInt8], _ allowed: [Set<UInt8>], _ step: String) {
        let wrong = FaultModel.wrong(bytes, allowed)
        #expect(wrong.isEmpty, "\(what), \(step): wrong blocks \(wrong)")
    }

    /// Opens a store that no longer fails, and asks for everything that was promised.
    private func verify(_ left: MemoryStore, _ allowed: [Set<UInt8>], _ step: String) {
        do {
            guard left.names.contains(StoreLayout.store) else {
                #expect(id == nil, "\(what), \(step): no store")
                return
            }
            let store = try open(left)
            defer { try? store.close() }
            #expect(store.status().damage.isEmpty, "\(what), \(step)")
            let disks = try store.disks().map(\.id)
            guard let id, disks.contains(id) || !isDispensable else { return }
            let disk = try store.attach(id)
            let bytes = try disk.bytes()
            check(bytes, allowed, step)
            let listed = Set(try store.snapshots().map(\.id))
            let needed = Set(snapshots.keys).subtracting(dispensable)
            #expect(listed.isSuperset(of: needed), "\(what), \(step): a snapshot is gone")
            for snapshot in listed {
                let reader = try store.openSnapshot(snapshot)
                let bytes = try reader.bytes()
                if let allowed = snapshots[snapshot] {
                    check(bytes, allowed, "\(step), snapshot \(snapshot)")
                }
                reader.close()
            }
            try goOn(with: disk, in: store, after: bytes, step)
        } catch {
            Issue.record("\(what), \(step): \(error)")
        }
    }

    /// The disk works as ever: it takes a write, keeps it, and the rest stays.
    private func goOn(with disk: Disk, in store: Store, after bytes: [UInt8], _ step: String)
        throws
    {
        let bytes = FaultModel.content(0..<10, 99) + bytes[10 * 4096..<bytes.count]
        try disk.put(FaultModel.content(0..<10, 99), at: 0)
        try store.detach(disk.id)
        let isKept = try store.attach(disk.id).bytes() == bytes
        #expect(isKept, "\(what), \(step): a write after it is lost")
    }
}
