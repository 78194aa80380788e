import Testing

@testable import DiskEngine

@Suite struct SlotBitmapTests {
    private func bitmap(_ slots: [Int], of count: Int = 256) -> SlotBitmap {
        slots.reduce(into: SlotBitmap(slotCount: count)) { $0.insert($1) }
    }

    @Test func aComplementEndsWithTheChunk() {
        for count in [1, 63, 64, 65, 200] {
            let all = SlotBitmap(slotCount: 0).complement(slotCount: count)
            #expect(all.count == count)
            #expect(all.contains(count - 1) && !all.contains(count))
            #expect(all.complement(slotCount: count).count == 0)
        }
        #expect(bitmap([0, 5, 70]).complement(slotCount: 8).count == 6)
    }

    @Test func runsAreWholeAndOnlyThoseAskedFor() {
        let dead = bitmap([0, 1, 2, 10, 62, 63, 64, 65, 199])
        #expect(dead.runs(holding: bitmap([1, 64]), slotCount: 200) == [0..<3, 62..<66])
        #expect(dead.runs(holding: dead, slotCount: 200) == [0..<3, 10..<11, 62..<66, 199..<200])
        #expect(dead.runs(holding: dead, slotCount: 64) == [0..<3, 10..<11, 62..<64])
        #expect(dead.runs(holding: bitmap([]), slotCount: 200).isEmpty)
    }

    /// Against a set, over random ones.
    @Test func randomRuns() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<200 {
            let count = Int.random(in: 1...300, using: &generator)
            let share = Int.random(in: 1...9, using: &generator)
            let dead = (0..<count).filter { _ in Int.random(in: 0..<10, using: &generator) < share }
            let wanted = dead.filter { _ in Int.random(in: 0..<4, using: &generator) == 0 }
            let runs = bitmap(dead, of: count).runs(
                holding: bitmap(wanted, of: count), slotCount: count)
            let covered = Set(runs.joined())
            #expect(covered.isSubset(of: dead) && covered.isSuperset(of: wanted))
            for run in runs {
                #expect(!dead.contains(run.lowerBound - 1) && !dead.contains(run.upperBound))
                #expect(wanted.contains { run.contains($0) })
            }
        }
    }
}
