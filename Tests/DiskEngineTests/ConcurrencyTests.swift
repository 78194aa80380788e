import DiskFormat
import Synchronization
import Testing

@testable import DiskEngine

/// Many threads on one disk, with checkpoints, snapshots and chunk changes going on.
@Suite struct ConcurrencyTests {
    static let threads = 8
    static let blocksPerThread = 192
    static let rounds = 150

    /// A block that says of itself which one it is and which write it comes from.
    static func block(_ number: Int, _ round: Int) -> [UInt8] {
        var words = [UInt64](repeating: UInt64(round), count: 512)
        words[0] = UInt64(number)
        return words.withUnsafeBytes { Array($0) }
    }

    /// The round a block's content comes from; nil if it is not whole, or another block's.
    static func round(of bytes: ArraySlice<UInt8>, block: Int) -> Int? {
        bytes.withUnsafeBytes { raw in
            let words = raw.bindMemory(to: UInt64.self)
            if words.allSatisfy({ $0 == 0 }) { return 0 }
            guard words[0] == UInt64(block), words[1...].allSatisfy({ $0 == words[1] }) else {
                return nil
            }
            return Int(words[1])
        }
    }

    @Test(arguments: [true, false])
    func everyThreadReadsWhatItWrote(encrypted: Bool) throws {
        let harness = try Harness()
        let blocks = Self.threads * Self.blocksPerThread
        let disk = try harness.disk(UInt64(blocks * 4096), encrypted: encrypted)
        let problems = Mutex<[String]>([])
        let acknowledged = Mutex([Int](repeating: 0, count: blocks))
        let running = (0..<Self.threads).map { thread in
            startThread(name: "writer") {
                var generator = SeededGenerator(seed: UInt64(thread))
                do {
                    for round in 1...Self.rounds {
                        let first =
                            thread * Self.blocksPerThread
                            + Int.random(in: 0..<Self.blocksPerThread - 40, using: &generator)
                        let count = Int.random(in: 1...40, using: &generator)
                        let numbers = first..<first + count
                        try disk.put(
                            numbers.flatMap { Self.block($0, round) }, at: UInt64(first * 4096))
                        acknowledged.withLock { all in for n in numbers { all[n] = round } }
                        if round % 16 == 0 { try disk.flush() }
                        let read = try disk.bytes(UInt64(first * 4096), count * 4096)
                        for (index, number) in numbers.enumerated() {
                            let bytes = read[index * 4096..<(index + 1) * 4096]
                            if Self.round(of: bytes, block: number) != round {
                                problems.withLock { $0.append("block \(number), round \(round)") }
                            }
                        }
                    }
                } catch {
                    problems.withLock { $0.append("\(error)") }
                }
            }
        }
        // Snapshots meanwhile: each block of each is whole, and no older than what was acknowledged
        // when the snapshot was asked for.
        for _ in 0..<6 {
            let before = acknowledged.withLock { $0 }
            let made = try harness.store.createSnapshot(of: disk.id, attributes: [:])
            let reader = try harness.store.openSnapshot(made.id)
            let bytes = try reader.bytes()
            reader.close()
            for number in 0..<blocks {
                let round = Self.round(
                    of: bytes[number * 4096..<(number + 1) * 4096], block: number)
                #expect((round ?? -1) >= before[number], "snapshot, block \(number)")
            }
        }
        for thread in running { thread.join() }
        #expect(problems.withLock { $0 } == [])
        disk.monitor.withLock { disk.map.checkInvariants() }
        try harness.crash(.kill)
        let bytes = try harness.store.attach(disk.id).bytes()
        let last = acknowledged.withLock { $0 }
        for number in 0..<blocks {
            let round = Self.round(of: bytes[number * 4096..<(number + 1) * 4096], block: number)
            #expect(round == last[number], "after a kill, block \(number)")
        }
        try harness.store.close()
    }

    /// Writers of overlapping ranges: every block ends as one of them wrote it, whole.
    @Test func overlappingWritesAreAtomicPerBlock() throws {
        let harness = try Harness()
        let disk = try harness.disk(64 * 4096)
        let problems = Mutex<[String]>([])
        let running = (1...4).map { thread in
            startThread(name: "writer") {
                var generator = SeededGenerator(seed: UInt64(thread))
                do {
                    for _ in 0..<200 {
                        let first = Int.random(in: 0..<60, using: &generator)
                        let count = Int.random(in: 1...4, using: &generator)
                        let bytes = (first..<first + count).flatMap { Self.block($0, thread) }
                        // Half of them begin and end inside a block.
                        let cut = Bool.random(using: &generator) ? 512 : 0
                        try disk.put(
                            Array(bytes[cut..<bytes.count - cut]), at: UInt64(first * 4096 + cut))
                    }
                } catch {
                    problems.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in running { thread.join() }
        #expect(problems.withLock { $0 } == [])
        let live = try disk.bytes()
        // The map in memory equals the one that replaying the log gives.
        try harness.crash(.kill)
        #expect(try harness.store.attach(disk.id).bytes() == live)
        try harness.store.close()
    }

    /// Who writes a part of a block writes the rest of it as it was: not as it was before somebody
    /// else's part, at the same time, came to be.
    @Test(arguments: [true, false]) func partsOfABlockAreNobodyElses(encrypted: Bool) throws {
        let harness = try Harness()
        let disk = try harness.disk(1 << 20, encrypted: encrypted)
        let rounds = 400
        let writers = (0..<8).map { part in
            startThread(name: "part \(part)") {
                for round in 1...rounds {
                    let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 512)
                    try? disk.put(bytes, at: UInt64(8192 + part * 512))
                }
            }
        }
        for writer in writers { writer.join() }
        let last = UInt8(truncatingIfNeeded: rounds)
        #expect(try disk.bytes(8192, 4096) == [UInt8](repeating: last, count: 4096))
        try harness.store.close()
    }
}
