import ChunkStore
import CryptoPrimitives
import DiskFormat
import Glibc
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// A KMS that takes its time keeps those waiting who need that very key, and nobody else.
@Suite(.serialized) struct SlowKMSTests {
    /// Disk A (detached), B (attached, encrypted), C (attached, plain, with a snapshot).
    private struct Rig: Sendable {
        let kms = SlowKMS()
        let files: MemoryStore
        let store: Store
        let a: DiskID, b: DiskID, c: DiskID, snapshot: SnapshotID

        init() throws {
            let harness = try Harness()
            files = harness.files
            try harness.store.close()
            store = try Store(opening: files, keys: kms, holder: "t", limits: Harness.smallLimits)
            a = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
            b = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
            c = try store.createDisk(encrypted: false, size: 1 << 20, attributes: [:]).id
            try store.attach(a).put(pattern(4096, seed: 1), at: 0)
            try store.detach(a)
            try store.attach(b)
            try store.attach(c).put(pattern(4096, seed: 3), at: 0)
            snapshot = try store.createSnapshot(of: c, attributes: [:]).id
        }

        /// Starts `waiting`, and once it hangs in the KMS runs `others` to their end. If they do
        /// not come to it the KMS is let go, and the test fails.
        func whileHanging(
            _ waiting: @escaping @Sendable () throws -> Void,
            _ others: @escaping @Sendable () throws -> Void
        ) {
            kms.arm()
            let outcome = Mutex<(any Error)?>(nil)
            let waiter = Runner {
                do { try waiting() } catch { outcome.withLock { $0 = error } }
            }
            kms.reached.pass()
            let isDone = Atomic(false)
            let work = Runner {
                #expect(throws: Never.self) { try others() }
                isDone.store(true, ordering: .sequentiallyConsistent)
            }
            for _ in 0..<2000 where !isDone.load(ordering: .sequentiallyConsistent) {
                usleep(10_000)
            }
            let wereHeldUp = !isDone.load(ordering: .sequentiallyConsistent)
            #expect(!wereHeldUp, "they wait for the KMS")
            kms.go.raise()
            work.join()
            waiter.join()
            if let error = outcome.withLock({ $0 }) { Issue.record("\(error)") }
        }
    }

    @Test func anAttachThatWaitsForItsKeyHoldsUpNobody() throws {
        let rig = try Rig()
        let store = rig.store
        rig.whileHanging {
            try store.attach(rig.a)
        } _: {
            let b = try #require(store.attached(rig.b))
            try store.resize(rig.b, to: 2 << 20)
            try b.put(pattern(4096, seed: 2), at: 1 << 20)
            #expect(try b.bytes(1 << 20, 4096) == pattern(4096, seed: 2))
            try b.flush()
            #expect(try store.openSnapshot(rig.snapshot).bytes(4096) == pattern(4096, seed: 3))
            _ = try store.createSnapshot(of: rig.c, attributes: [:])
            #expect(try store.disks().count == 3)
            #expect(store.status().disks.count == 2)
            #expect(try !store.disk(rig.a).isAttached)
            try store.detach(rig.c)
            // Its lineage is opened anew.
            #expect(try store.openSnapshot(rig.snapshot).bytes(4096) == pattern(4096, seed: 3))
        }
        let a = try #require(store.attached(rig.a))
        #expect(try a.bytes(0, 4096) == pattern(4096, seed: 1))
        try store.close()
    }

    /// Each action that calls the KMS, while it does.
    @Test(arguments: ["create", "clone", "snapshot", "detach"])
    func everyActionFetchesItsKeyAlone(action: String) throws {
        let rig = try Rig()
        let store = rig.store
        let snapshot = try store.createSnapshot(of: rig.b, attributes: [:]).id
        rig.whileHanging {
            switch action {
            case "create":
                _ = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
            case "clone": _ = try store.createDisk(from: snapshot, size: nil, attributes: [:])
            case "snapshot": _ = try store.createSnapshot(of: rig.b, attributes: [:])
            default: try store.detach(rig.b)
            }
        } _: {
            try store.resize(rig.c, to: 2 << 20)
            _ = try store.openSnapshot(rig.snapshot).bytes(4096)
            if action == "detach" {
                #expect(store.status().openLineages == 1, "the key waits for the KMS")
            }
        }
        try store.close()
    }

    /// Two attaches of one disk: both wait for its key, and one of them is told.
    @Test func twoAttachesOfOneDisk() throws {
        let rig = try Rig()
        let store = rig.store
        let codes = Mutex<[DiskError.Code]>([])
        let other = Mutex<Runner?>(nil)
        let attach: @Sendable () -> Void = {
            if let code = diskErrorCode({ try store.attach(rig.a) }) {
                codes.withLock { $0.append(code) }
            }
        }
        rig.whileHanging {
            attach()
        } _: {
            other.withLock { $0 = Runner(attach) }
        }
        other.withLock { $0 }?.join()
        #expect(codes.withLock { $0 } == [.busy])
        #expect(store.attached(rig.a) != nil)
        try store.detach(rig.a)
        #expect(store.monitor.withLock { store.catalogue.openLineages.count } == 2)
        try store.close()
    }

    /// A disk is deleted while an attach waits for its key: the attach finds that it is gone.
    @Test func aDiskDeletedWhileItsKeyIsFetched() throws {
        let rig = try Rig()
        let store = rig.store
        rig.whileHanging {
            #expect(diskErrorCode { try store.attach(rig.a) } == .notFound)
        } _: {
            try store.deleteDisk(rig.a)
        }
        #expect(store.status().openLineages == 2)
        try store.close()
    }

    /// A key that comes after the store was closed is let go.
    @Test func aKeyThatComesAfterTheEnd() throws {
        let rig = try Rig()
        let store = rig.store
        rig.whileHanging {
            #expect(diskErrorCode { try store.attach(rig.a) } == .sessionOver)
        } _: {
            try store.close()
        }
        #expect(store.status().openLineages == 0)
        #expect(store.attachedDisks().isEmpty)
    }

    /// While the KMS is asked about the first detach, all disks are detached and durable.
    @Test func atTheEndNoDiskWaitsForTheKMS() throws {
        let rig = try Rig()
        let store = rig.store
        let disks = try [rig.a, rig.b, rig.c].map {
            try store.attached($0) ?? store.attach($0)
        }
        for disk in disks { try disk.put(pattern(8192, seed: 9), at: 8192) }
        rig.whileHanging {
            try store.close()
        } _: {
            #expect(store.attachedDisks().isEmpty)
            #expect(store.status().openLineages == 0)
            for disk in disks {
                disk.monitor.withLock { #expect(disk.isClosing && disk.isManifestCurrent) }
            }
            let left = rig.files.copy()
            left.crash()
            let next = try Store(
                opening: left, keys: rig.kms, holder: "t", limits: Harness.smallLimits)
            for id in [rig.a, rig.b, rig.c] {
                #expect(try next.attach(id).bytes(8192, 8192) == pattern(8192, seed: 9))
            }
            try next.close()
        }
    }

    /// A call that fails leaves nothing behind: neither a key nor a place that others wait at.
    @Test func aFailedCallLeavesNothing() throws {
        let rig = try Rig()
        let store = rig.store
        rig.kms.fails.store(true, ordering: .sequentiallyConsistent)
        rig.whileHanging {
            #expect(diskErrorCode { try store.attach(rig.a) } == .io)
        } _: {
        }
        #expect(store.status().openLineages == 2)
        #expect(store.monitor.withLock { store.catalogue.opening.isEmpty })
        rig.kms.fails.store(false, ordering: .sequentiallyConsistent)
        #expect(try store.attach(rig.a).bytes(0, 4096) == pattern(4096, seed: 1))
        try store.close()
    }
}

/// The reference KMS; once armed, its next call waits until told to go on.
private final class SlowKMS: KeyProvider {
    let reached = Gate(), go = Gate()
    let fails = Atomic(false)
    private let isArmed = Atomic(false)
    private let kms = InMemoryKMS()

    func note(_ use: KeyUse) throws(KeyError) {
        try hold()
        try kms.note(use)
    }

    func arm() { isArmed.store(true, ordering: .sequentiallyConsistent) }

    private func hold() throws(KeyError) {
        guard isArmed.exchange(false, ordering: .sequentiallyConsistent) else { return }
        reached.raise()
        go.pass()
        if fails.load(ordering: .sequentiallyConsistent) { throw KeyError(.io, "as told") }
    }

    func generateDataKey(context: KeyContext, use: KeyUse) throws(KeyError) -> GeneratedDataKey {
        try hold()
        return try kms.generateDataKey(context: context, use: use)
    }

    func unwrap(_ wrapped: WrappedKey, context: KeyContext, use: KeyUse) throws(KeyError)
        -> SecretBytes
    {
        try hold()
        return try kms.unwrap(wrapped, context: context, use: use)
    }

    func rewrap(
        _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
    ) throws(KeyError) -> WrappedKey {
        try hold()
        return try kms.rewrap(wrapped, context: context, use: use)
    }

    func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
        try hold()
        return try kms.describe(use: use)
    }

    var isActivated: Bool { get throws(KeyError) { try kms.isActivated } }
}

extension SnapshotReader {
    fileprivate func bytes(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: 0) }
        return bytes
    }
}
