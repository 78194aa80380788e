import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// What a store takes for a disk that is overwritten again and again, in bytes of the medium.
@Suite struct SpaceCurveTests {
    private static let mebibyte = 1 << 20

    private func harness() throws -> Harness {
        var limits = Harness.smallLimits
        limits.slotsPerChunk = 256
        limits.leastReclaimBlocks = 64
        limits.checkpointLogBlocks = 4096
        return try Harness(limits: limits)
    }

    /// Bytes that the chunks take.
    private func taken(_ harness: Harness) throws -> Int {
        try harness.chunkFiles.reduce(0) {
            // One that was listed may be gone.
            guard let file = try? harness.files.openFile(harness.file($1)) else { return $0 }
            return try $0 + Int(file.size().allocated)
        }
    }

    @Test func randomOverwritesStayNearWhatLives() throws {
        let harness = try harness()
        let size = 32 * Self.mebibyte
        let disk = try harness.disk(UInt64(size))
        var generator = SeededGenerator(seed: 7)
        var versions = [UInt64](repeating: 0, count: size / 4096)
        func write(_ block: Int, _ version: UInt64) throws {
            try disk.put(
                pattern(4096, seed: UInt64(block) << 32 | version), at: UInt64(block) * 4096)
            versions[block] = version
        }
        for block in versions.indices { try write(block, 1) }
        harness.store.reclaimer.waitUntilIdle()
        var peak = 0
        var after: [Int] = []
        for step in 1...(16 * versions.count) {
            try write(Int.random(in: versions.indices, using: &generator), UInt64(step + 1))
            if step.isMultiple(of: 256) { peak = max(peak, try taken(harness)) }
            if step.isMultiple(of: versions.count) {
                try disk.settleDeaths()
                harness.store.reclaimer.request(disk.lineage.id, walking: false)
                harness.store.reclaimer.waitUntilIdle()
                after.append(try taken(harness))
            }
        }
        #expect(after.allSatisfy { $0 * 10 <= size * 13 }, "\(after) of \(size)")
        #expect(peak * 10 <= size * 16, "\(peak) of \(size)")
        for block in versions.indices {
            let expected = pattern(4096, seed: UInt64(block) << 32 | versions[block])
            guard try disk.bytes(UInt64(block) * 4096, 4096) == expected else {
                Issue.record("block \(block) is not what was written last")
                break
            }
        }
        try harness.store.close()
    }
}
