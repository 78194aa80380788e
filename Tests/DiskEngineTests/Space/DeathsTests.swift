import DiskFormat
import Scheduling
import Testing

@testable import DiskEngine

@Suite struct DeathsTests {
    private static let lane: UInt16 = 3

    private func address(_ slot: UInt32) -> UInt64 {
        BlockAddress(chunk: ChunkNumber(lane: Self.lane, sequence: 1), slot: slot).rawValue
    }

    private func position(_ slot: UInt32) -> LogPosition {
        LogPosition(chunk: ChunkNumber(lane: Self.lane, sequence: 1), slot: slot)
    }

    private func deaths(above bound: UInt32? = nil) -> Deaths {
        let memory = MapMemory(limitBytes: 1 << 20, threads: SystemThreads())
        var deaths = Deaths(lane: Self.lane, memory: memory)
        if let bound { deaths.setBound(address(bound), isExact: true) }
        return deaths
    }

    /// Checkpoints that failed with nothing written cut at one place.
    @Test func twoCutsAtOnePlaceAreOne() throws {
        var deaths = deaths(above: 20)
        for slot: UInt32 in [10, 30] { deaths.add(address(slot)) }
        deaths.cut(at: position(50))
        for slot: UInt32 in [15, 40, 41] { deaths.add(address(slot)) }
        deaths.cut(at: position(50))
        #expect(deaths.worth == 3)
        let old = deaths.intervals(above: address(12))
        #expect(old.count == 1)
        let counts = Dictionary(
            uniqueKeysWithValues: old.map {
                ($0.position, Deaths.count($0, above: address(12)))
            })
        deaths.setBound(address(12), isExact: true, counts: counts)
        #expect(deaths.worth == 4)
        let taken = deaths.take(before: position(50))
        #expect(taken.dead.flatMap(\.certain).reduce(0) { $0 + Int($1.count) } == 4)
        #expect(deaths.worth == 0)
    }

    /// A checkpoint that was cut and is not durable yet takes nothing from the ones that are.
    @Test func whatDiedAfterTheOlderCheckpointStays() {
        var deaths = deaths(above: 0)
        deaths.add(address(10))
        deaths.cut(at: position(50))
        deaths.add(address(20))
        deaths.cut(at: position(60))
        let taken = deaths.take(before: position(59)).dead.flatMap(\.certain)
        #expect(taken.map(\.first) == [address(10)])
        #expect(deaths.take(before: position(60)).dead.flatMap(\.certain).count == 1)
    }

    /// What is counted as slots come and go is what they are, whatever happens in between.
    @Test(arguments: UInt64(1)...20) func countsAreKept(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var deaths = deaths(above: 0)
        var bound: UInt32 = 0
        var place: UInt32 = 1000
        var (current, cuts): ([UInt32], [(place: UInt32, bound: UInt32, slots: [UInt32])]) = (
            [], []
        )
        var next: UInt32 = 1
        for _ in 0..<300 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                // Apart: a run that a bound lies in is kept as a whole.
                next += UInt32.random(in: 2...3, using: &generator)
                deaths.add(address(next))
                current.append(next)
            case 6, 7:
                if Bool.random(using: &generator) { place += 10 }
                deaths.cut(at: position(place))
                if current.isEmpty { continue }
                if let last = cuts.last, last.place == place {
                    cuts.removeLast()
                    cuts.append((place, max(last.bound, bound), last.slots + current))
                } else {
                    cuts.append((place, bound, current))
                }
                current = []
            case 8:
                bound = bound / 2
                let old = deaths.intervals(above: address(bound))
                let counts = Dictionary(
                    uniqueKeysWithValues: old.map {
                        ($0.position, Deaths.count($0, above: address(bound)))
                    })
                deaths.setBound(address(bound), isExact: true, counts: counts)
                for index in cuts.indices { cuts[index].bound = min(cuts[index].bound, bound) }
            default:
                bound = max(bound, UInt32.random(in: 0...next, using: &generator))
                deaths.share(
                    below: BlockAddress(
                        chunk: ChunkNumber(lane: Self.lane, sequence: 1), slot: bound))
                for index in cuts.indices where cuts[index].place > bound {
                    cuts[index].bound = max(cuts[index].bound, bound)
                }
            }
            let all = cuts + [(place, bound, current)]
            let expected = all.reduce(0) { sum, cut in
                sum + cut.slots.filter { $0 > cut.bound }.count
            }
            #expect(deaths.worth == expected, "seed \(seed)")
        }
    }
}
