import ChunkStore
import DiskFormat
import Glibc
import Scheduling
import Synchronization
import Testing

@testable import DiskEngine

/// What becomes of a session when its medium fails.
@Suite struct FaultSessionTests {
    static let old = pattern(1 << 20, seed: 11)
    static let new = pattern(8 * 4096, seed: 12)

    /// Whether each of the first 8 blocks is the old or the new one, and the rest is old.
    static func isEitherWay(_ bytes: [UInt8]) -> Bool {
        (0..<256).allSatisfy { block in
            let range = block * 4096..<(block + 1) * 4096
            return bytes[range] == old[range] || block < 8 && bytes[range] == new[range]
        }
    }

    /// A disk that holds `old`, flushed, and then `new` over its beginning, not flushed.
    static func prepared(encrypted: Bool = true) throws -> FaultHarness {
        let harness = try FaultHarness(encrypted: encrypted)
        try harness.disk.put(old, at: 0)
        try harness.disk.flush()
        // The next chunk is ready, so that a fault armed from here on meets the disk's own calls.
        harness.disk.monitor.withLock {
            while harness.disk.log.next == nil { harness.disk.monitor.wait() }
        }
        return harness
    }

    /// A medium that would not do it now has done nothing, and loses nothing.
    @Test func aRefusedFlushEndsNothing() throws {
        let harness = try Self.prepared()
        let (disk, files) = (harness.disk, harness.files)
        try disk.put(Self.new, at: 0)
        files.arm(Fault([.synchronize], code: .busy))
        #expect(diskErrorCode { try disk.flush() } == .io)
        #expect(disk.status().failure == nil)
        try disk.flush()
        let (cut, left) = try harness.afterPowerCut()
        #expect(try left.bytes().prefix(Self.new.count) == Self.new[...])
        try cut.close()
    }

    /// One that goes on refusing does not keep a disk from its end, which tells of it.
    @Test func aDiskIsLeftWhileItsMediumRefuses() throws {
        let harness = try Self.prepared()
        let (disk, files, store) = (harness.disk, harness.files, harness.store)
        files.arm(Fault([.synchronize], isLasting: true, code: .busy))
        // A chunk is filled by it, which has to be durable.
        try disk.put(Array(Self.old.prefix(100 * 4096)), at: 0)
        let code = Mutex<DiskError.Code?>(nil)
        let isEnded = Mutex(false)
        let closing = startThread(name: "close") {
            let found = diskErrorCode { try store.close() }
            code.withLock { $0 = found }
            isEnded.withLock { $0 = true }
        }
        for _ in 0..<6000 where !isEnded.withLock({ $0 }) { usleep(10_000) }
        #expect(isEnded.withLock { $0 }, "it does not end")
        files.disarm()
        closing.join()
        #expect(code.withLock { $0 } == .io)
        // What was flushed before is there, and what it wrote since may be.
        let again = try Store(
            opening: files, keys: harness.keys, holder: "tests", limits: Harness.smallLimits)
        #expect(try again.attach(disk.id).bytes() == Self.old)
        try again.close()
    }

    @Test(arguments: [Fault.Effect.none, .whole])
    func aFailedFlushEndsTheSession(effect: Fault.Effect) throws {
        let harness = try Self.prepared()
        let (disk, files) = (harness.disk, harness.files)
        try disk.put(Self.new, at: 0)
        files.arm(Fault([.synchronize], isLasting: true, effect: effect))
        #expect(diskErrorCode { try disk.flush() } == .io)
        files.disarm()
        files.startRecording()
        for _ in 0..<3 {
            #expect(diskErrorCode { try disk.flush() } == .sessionOver)
            #expect(diskErrorCode { try disk.put(Self.new, at: 0) } == .sessionOver)
            #expect(diskErrorCode { try disk.discard(at: 0, length: 8192) } == .sessionOver)
            #expect(
                diskErrorCode {
                    _ = try harness.store.createSnapshot(of: disk.id, attributes: [:])
                } == .sessionOver)
        }
        #expect(try disk.bytes(0, Self.new.count) == Self.new, "reads go on")
        #expect(disk.status().failure != nil)
        let (cut, left) = try harness.afterPowerCut()
        #expect(Self.isEitherWay(try left.bytes()))
        try cut.close()
        #expect(diskErrorCode { try harness.store.detach(disk.id) } == .sessionOver)
        #expect(harness.store.attached(disk.id) == nil)
        #expect(harness.store.status().openLineages == 0, "its key is still in memory")
        let written = files.recording.filter {
            $0.hasPrefix("replaceObject") || $0.hasPrefix("write") || $0.hasPrefix("synchronize")
        }
        #expect(written == [], "no checkpoint and no manifest after it")
        let again = try harness.store.attach(disk.id)
        #expect(Self.isEitherWay(try again.bytes()))
        try again.put(Self.old, at: 0)
        try again.flush()
        #expect(try again.bytes() == Self.old)
        try harness.store.close()
    }

    /// The first to the last write of a run: bodies, then entries.
    @Test(arguments: [true, false], [Fault.Effect.none, .half, .whole])
    func aFailedWriteIsVoided(encrypted: Bool, effect: Fault.Effect) throws {
        for call in 1...6 {
            let harness = try Self.prepared(encrypted: encrypted)
            let disk = harness.disk
            harness.files.arm(
                Fault([.write], prefix: "lineages/", call: call, effect: effect))
            let code = diskErrorCode { try disk.put(Self.new, at: 0) }
            #expect(code == nil || code == .io, "call \(call)")
            harness.files.disarm()
            #expect(disk.status().failure == nil, "call \(call): it could be voided")
            let now = try disk.bytes()
            #expect(Self.isEitherWay(now), "call \(call)")
            // The write can be made again, and what comes after it is kept with it.
            try disk.put(Self.new, at: 0)
            try disk.put(Self.new, at: 100 * 4096)
            try disk.flush()
            var expected = Self.old
            expected.replaceSubrange(0..<Self.new.count, with: Self.new)
            expected.replaceSubrange(100 * 4096..<108 * 4096, with: Self.new)
            #expect(try disk.bytes() == expected, "call \(call)")
            let (cut, left) = try harness.afterPowerCut()
            #expect(try left.bytes() == expected, "call \(call), power cut")
            try cut.close()
            try harness.store.detach(disk.id)
            #expect(try harness.store.attach(disk.id).bytes() == expected, "call \(call)")
            try harness.store.close()
        }
    }

    /// Neither the write nor its void can be written: the log would have a gap.
    @Test(arguments: [Fault.Effect.none, .half, .whole])
    func aSlotThatCannotBeVoidedEndsTheSession(effect: Fault.Effect) throws {
        let harness = try Self.prepared()
        let disk = harness.disk
        harness.files.arm(Fault([.write], prefix: "lineages/", isLasting: true, effect: effect))
        #expect(diskErrorCode { try disk.put(Self.new, at: 0) } == .io)
        harness.files.disarm()
        #expect(diskErrorCode { try disk.put(Self.new, at: 0) } == .sessionOver)
        #expect(diskErrorCode { try disk.flush() } == .sessionOver)
        #expect(try disk.bytes() == Self.old)
        #expect(diskErrorCode { try harness.store.detach(disk.id) } == .sessionOver)
        let again = try harness.store.attach(disk.id)
        #expect(Self.isEitherWay(try again.bytes()))
        try harness.store.close()
    }

    /// A read that fails says so, changes nothing, and the next one is right.
    @Test func aFailedReadIsNoDamage() throws {
        let harness = try Self.prepared()
        for _ in 0..<3 {
            harness.files.arm(Fault([.read]))
            #expect(diskErrorCode { _ = try harness.disk.bytes() } == .io)
            harness.files.disarm()
            #expect(try harness.disk.bytes() == Self.old)
        }
        // A partial write reads first: it must not take what it could not read for zeros.
        harness.files.arm(Fault([.read]))
        #expect(diskErrorCode { try harness.disk.put([1, 2, 3], at: 5) } == .io)
        harness.files.disarm()
        #expect(try harness.disk.bytes() == Self.old)
        try harness.store.close()
    }

    /// A medium that refuses every write: nothing hangs, and what was flushed is there afterwards.
    @Test(arguments: [
        [StoreOperation.write], [.synchronize], [.createFile], [.replaceObject],
        [.write, .synchronize, .createFile, .replaceObject, .remove, .removeFolder, .deallocate],
    ])
    func aMediumThatFailsForGood(operations: Set<StoreOperation>) throws {
        let harness = try Self.prepared()
        harness.files.arm(Fault(operations, prefix: "lineages/", isLasting: true))
        for _ in 0..<8 {
            let code = diskErrorCode { try harness.disk.put(Self.new, at: 0) }
            #expect([nil, .io, .sessionOver].contains(code))
        }
        let code = diskErrorCode { try harness.disk.flush() }
        #expect([nil, .io, .sessionOver].contains(code))
        _ = try? harness.store.close()
        let reopened = try Store(
            opening: harness.memory, keys: harness.keys, holder: "tests",
            limits: Harness.smallLimits)
        #expect(Self.isEitherWay(try reopened.attach(harness.disk.id).bytes()))
        try reopened.close()
    }
}
