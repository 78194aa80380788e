import ChunkStore
import DiskFormat
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// A disk whose log takes long to replay: what others do meanwhile.
@Suite(.serialized) struct SlowAttachTests {
    /// Disk A, crashed with a log to replay, whose chunks are read slowly; B, attached, with a
    /// snapshot.
    private struct Rig {
        let hold = Hold { operation, name in operation == .read && name.hasSuffix(".chunk") }
        let store: Store
        let a: DiskID, b: DiskID, snapshot: SnapshotID

        init() throws {
            let harness = try Harness()
            let disk = try harness.disk()
            a = disk.id
            try disk.put(pattern(40 * 4096, seed: 1), at: 0)
            b = try harness.disk().id
            try harness.store.attached(b)?.put(pattern(4096, seed: 2), at: 0)
            snapshot = try harness.store.createSnapshot(of: b, attributes: [:]).id
            let left = harness.files.copy()
            try harness.store.close()
            store = try Store(
                opening: FaultyStore(left, observer: hold.see), keys: harness.keys, holder: "t",
                limits: Harness.smallLimits)
            try store.attach(b)
        }

        /// Starts `slow`, and once it reads a chunk runs `others` to their end.
        func whileReading(
            _ slow: @escaping @Sendable () throws -> Void, _ others: () throws -> Void
        ) {
            hold.armed.store(true, ordering: .sequentiallyConsistent)
            let runner = Runner { #expect(throws: Never.self) { try slow() } }
            hold.reached.pass()
            #expect(throws: Never.self) { try others() }
            hold.go.raise()
            runner.join()
        }

        func check() throws {
            #expect(
                try store.attached(a)?.bytes(0, 40 * 4096) == pattern(40 * 4096, seed: 1))
        }
    }

    /// (Without an end if they are held up: the others run to theirs before it goes on.)
    @Test func anAttachThatReplaysHoldsUpNobody() throws {
        let rig = try Rig()
        let store = rig.store
        rig.whileReading {
            try store.attach(rig.a)
        } _: {
            _ = try store.createSnapshot(of: rig.b, attributes: [:])
            try store.deleteSnapshot(rig.snapshot)
            let c = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
            try store.attach(c).put(pattern(4096, seed: 3), at: 0)
            try store.detach(c)
            try store.deleteDisk(c)
            #expect(diskErrorCode { try store.attach(rig.a) } == .busy)
            #expect(diskErrorCode { try store.resize(rig.a, to: 2 << 20) } == .busy)
            #expect(diskErrorCode { try store.deleteDisk(rig.a) } == .busy)
            #expect(
                diskErrorCode { try store.setAttributes(of: rig.a, to: ["a": "b"]) } == .busy)
            #expect(
                diskErrorCode { _ = try store.createSnapshot(of: rig.a, attributes: [:]) } == .busy)
            #expect(try !store.disk(rig.a).isAttached)
        }
        try rig.check()
        try store.close()
    }

    /// The same of an action on a disk that is not attached.
    @Test func aSnapshotOfADetachedDiskHoldsUpNobody() throws {
        let rig = try Rig()
        let store = rig.store
        rig.whileReading {
            _ = try store.createSnapshot(of: rig.a, attributes: [:])
        } _: {
            _ = try store.createSnapshot(of: rig.b, attributes: [:])
            #expect(diskErrorCode { try store.attach(rig.a) } == .busy)
        }
        try store.attach(rig.a)
        try rig.check()
        #expect(try store.disk(rig.a).snapshotCount == 1)
        try store.close()
    }

    @Test func aStoreThatIsClosedMeanwhile() throws {
        let rig = try Rig()
        let store = rig.store
        rig.hold.armed.store(true, ordering: .sequentiallyConsistent)
        let code = Mutex<DiskError.Code?>(nil)
        let attach = Runner {
            let found = diskErrorCode { try store.attach(rig.a) }
            code.withLock { $0 = found }
        }
        rig.hold.reached.pass()
        let isClosed = Atomic(false)
        let close = Runner {
            #expect(throws: Never.self) { try store.close() }
            isClosed.store(true, ordering: .sequentiallyConsistent)
        }
        while !store.monitor.withLock({ store.catalogue.isClosed }) {}
        let isEarly = isClosed.load(ordering: .sequentiallyConsistent)
        #expect(!isEarly, "a disk is being opened")
        rig.hold.go.raise()
        attach.join()
        close.join()
        #expect(code.withLock { $0 } == .sessionOver)
    }
}
