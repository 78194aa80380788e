import ChunkStore
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// Slots that are written as blank ahead of their use.
@Suite struct PreparedSlotTests {
    private func prepared(_ disk: Disk) -> UInt32 {
        disk.monitor.withLock { disk.log.active?.preparedSlots ?? 0 }
    }

    @Test func manySmallFlushesPrepareAndOneDoesNot() throws {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 1024
        let harness = try Harness(limits: limits)
        let disk = try harness.disk()
        try disk.put(pattern(1 << 20, seed: 1), at: 0)
        try disk.flush()
        #expect(prepared(disk) == 0, "a flush of much")
        for round in 0..<Limits.smallFlushes - 1 {
            try disk.put(pattern(4096, seed: UInt64(round)), at: 0)
            try disk.flush()
            #expect(prepared(disk) == 0, "after \(round + 1) small flushes")
        }
        try disk.put(pattern(4096, seed: 9), at: 0)
        try disk.flush()
        let end = prepared(disk)
        #expect(end >= 256 + Limits.preparedSlots)
        // Not again before those are used up.
        for round in 0..<200 {
            try disk.put(pattern(4096, seed: UInt64(round)), at: 4096)
            try disk.flush()
        }
        #expect(prepared(disk) == end)
        for round in 0..<200 {
            try disk.put(pattern(4096, seed: UInt64(round)), at: 4096)
            try disk.flush()
        }
        #expect(prepared(disk) > end)
        try harness.store.close()
    }

    /// Zeros go where nobody has written and nobody writes meanwhile: what is written and flushed
    /// by many at once is there afterwards, and after a crash.
    @Test(arguments: Harness.Crash.allCases)
    func preparingHarmsNobody(_ crash: Harness.Crash) throws {
        let harness = try Harness()
        let disk = try harness.disk(4 << 20)
        let writers = (0..<4).map { writer in
            Runner {
                for round in 0..<120 {
                    let block = UInt64(writer * 256 + round % 64)
                    try? disk.put(
                        pattern(4096, seed: block << 16 | UInt64(round)), at: block * 4096)
                    try? disk.flush()
                }
            }
        }
        for writer in writers { writer.join() }
        let id = disk.id
        try harness.crash(crash)
        let after = try harness.store.attach(id)
        for writer in 0..<4 {
            for index in 0..<64 {
                let block = UInt64(writer * 256 + index)
                let last = index < 120 - 64 ? index + 64 : index
                #expect(
                    try after.bytes(block * 4096, 4096)
                        == pattern(4096, seed: block << 16 | UInt64(last)))
            }
        }
        try harness.store.close()
    }

    /// A medium that fails while slots are prepared: nobody hears of it, for nothing was lost.
    @Test func failingToPrepareIsNoFailure() throws {
        let memory = MemoryStore()
        let faulty = FaultyStore(memory)
        try Store.create(in: faulty, account: "tests", region: "here")
        let store = try Store(
            opening: faulty, keys: InMemoryKMS(), holder: "tests", limits: Harness.smallLimits)
        let id = try store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id
        let disk = try store.attach(id)
        for round in 1...Limits.smallFlushes {
            try disk.put(pattern(4096, seed: UInt64(round)), at: 0)
            if round == Limits.smallFlushes { faulty.arm(Fault([.write])) }
            try disk.flush()
        }
        #expect(try disk.bytes(0, 4096) == pattern(4096, seed: UInt64(Limits.smallFlushes)))
        try disk.put(pattern(4096, seed: 77), at: 4096)
        try disk.flush()
        #expect(try disk.bytes(4096, 4096) == pattern(4096, seed: 77))
        try store.close()
    }
}
