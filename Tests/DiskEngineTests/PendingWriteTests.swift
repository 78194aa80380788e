import ChunkStore
import DiskFormat
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// Writes whose slots are written before those of an earlier one.
@Suite struct PendingWriteTests {
    /// A disk of which the first write to come is held back at its first call of the store.
    private struct Rig {
        let memory = MemoryStore()
        let hold = Hold { operation, name in operation == .write && name.hasSuffix(".chunk") }
        let faulty: FaultyStore
        let keys = InMemoryKMS()
        let store: Store
        let disk: Disk

        init() throws {
            faulty = FaultyStore(memory, observer: hold.see)
            try Store.create(in: faulty, account: "tests", region: "here")
            store = try Store(
                opening: faulty, keys: keys, holder: "tests", limits: Harness.smallLimits)
            let summary = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:])
            disk = try store.attach(summary.id)
            try disk.put(pattern(4096, seed: 1), at: 0)  // opens the session
        }

        func holdBackAWrite() -> Runner {
            hold.armed.store(true, ordering: .sequentiallyConsistent)
            let disk = disk
            let writer = Runner { try? disk.put(pattern(4096, seed: 2), at: 4096) }
            hold.reached.pass()
            return writer
        }

        func submit(_ seed: UInt64, at offset: UInt64) throws -> PendingWrite? {
            try pattern(4096, seed: seed).withUnsafeBytes { try disk.submit($0, at: offset) }
        }
    }

    private final class Told: Sendable {
        let outcomes = Mutex<[DiskError.Code?]>([])
        func tell(_ error: DiskError?) { outcomes.withLock { $0.append(error?.code) } }
        var all: [DiskError.Code?] { outcomes.withLock { $0 } }
    }

    @Test func aWriteInOrderIsDoneAtOnce() throws {
        let rig = try Rig()
        #expect(try rig.submit(3, at: 8192) == nil)
        try rig.store.close()
    }

    /// It is seen at once, told when the earlier one is written, and what a process that is killed
    /// in between leaves lacks it.
    @Test func aWriteAheadOfAnEarlierOneIsToldWhenThatIsWritten() throws {
        let rig = try Rig()
        let writer = rig.holdBackAWrite()
        let first = try #require(try rig.submit(3, at: 8192))
        let second = try #require(try rig.submit(4, at: 12_288))
        let told = Told()
        first.whenWritten(told.tell)
        second.whenWritten(told.tell)
        #expect(told.all == [])
        #expect(try rig.disk.bytes(8192, 4096) == pattern(4096, seed: 3))
        let killed = rig.memory.copy()
        rig.hold.go.raise()
        writer.join()
        #expect(told.all == [nil, nil])
        first.whenWritten(told.tell)
        #expect(told.all == [nil, nil, nil], "who asks late is told at once")
        let id = rig.disk.id
        try rig.store.close()
        let left = try Store(
            opening: killed, keys: rig.keys, holder: "tests", limits: Harness.smallLimits)
        let disk = try left.attach(id)
        #expect(try disk.bytes(0, 4096) == pattern(4096, seed: 1))
        #expect(try disk.bytes(4096) == [UInt8](repeating: 0, count: (1 << 20) - 4096))
        try left.close()
    }

    /// A flush waits for the earlier write, too; both are durable then.
    @Test func aFlushCoversWhatIsPending() throws {
        let rig = try Rig()
        let writer = rig.holdBackAWrite()
        let pending = try #require(try rig.submit(3, at: 8192))
        let disk = rig.disk
        let before = rig.faulty.count(of: [.synchronize])
        let flusher = Runner { try? disk.flush() }
        #expect(rig.faulty.count(of: [.synchronize]) == before, "it waits for what is held back")
        rig.hold.go.raise()
        try pending.wait()
        flusher.join()
        writer.join()
        rig.memory.crash()
        let left = try Store(
            opening: rig.memory, keys: rig.keys, holder: "tests", limits: Harness.smallLimits)
        #expect(try left.attach(disk.id).bytes(8192, 4096) == pattern(4096, seed: 3))
        try left.close()
        try? rig.store.close()
    }

    /// The earlier write fails so that its slots cannot even be voided: the session is over, and
    /// whoever waits hears of it.
    @Test func theEndOfTheSessionIsToldToAllWhoWait() throws {
        let rig = try Rig()
        let writer = rig.holdBackAWrite()
        let first = try #require(try rig.submit(3, at: 8192))
        let second = try #require(try rig.submit(4, at: 12_288))
        let told = Told()
        first.whenWritten(told.tell)
        rig.faulty.arm(Fault([.write], isLasting: true))
        rig.hold.go.raise()
        writer.join()
        #expect(told.all == [.sessionOver])
        #expect(throws: DiskError.self) { try second.wait() }
        second.whenWritten(told.tell)
        #expect(told.all == [.sessionOver, .sessionOver])
        try? rig.store.close()
    }
}
