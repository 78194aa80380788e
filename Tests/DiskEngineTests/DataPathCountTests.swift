import CRuntimeCounts
import ChunkStore
import DiskFormat
import Foundation
import KeyManagement
import LocalStore
import Testing

@testable import DiskEngine

/// What a request costs besides the work itself, by counting: objects made, and reference counts
/// changed, on the thread that carries it.
@Suite struct DataPathCountTests {
    private struct Counts {
        var objects: UInt64
        /// How often a reference count was changed.
        var references: UInt64
    }

    private final class Rig {
        let folder: String
        let store: Store
        let disk: Disk
        private let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: 256 * 4096, alignment: 4096)

        init(encrypted: Bool) throws {
            folder = NSTemporaryDirectory() + "/counts-\(UUID().uuidString)"
            var limits = Limits()
            limits.slotsPerChunk = 65536  // none is closed meanwhile
            limits.reserveBytes = 4 << 20
            let files = try LocalStore.create(at: folder)
            try Store.create(in: files, account: "tests", region: "here")
            store = try Store(
                opening: files, keys: InMemoryKMS(), holder: "tests", limits: limits)
            disk = try store.attach(
                store.createDisk(encrypted: encrypted, size: 64 << 20, attributes: [:]).id)
            for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: index * 7) }
            for piece in 0..<16 { try disk.write(.init(buffer), at: UInt64(piece) << 20) }
        }

        deinit {
            try? store.close()
            try? FileManager.default.removeItem(atPath: folder)
            buffer.deallocate()
        }

        func write(_ bytes: UnsafeMutableRawBufferPointer) throws {
            try disk.write(.init(bytes), at: 1 << 20)
        }

        func read(_ bytes: UnsafeMutableRawBufferPointer) throws {
            try disk.read(into: bytes, at: 1 << 20)
        }

        /// Of one request of so many blocks: the least of several.
        func counts(blocks: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws
            -> Counts
        {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(blocks * 4096)])
            var least = Counts(objects: .max, references: .max)
            for _ in 0..<16 {
                let before = runtime_counts_now()
                try body(part)
                let after = runtime_counts_now()
                least.objects = min(least.objects, after.allocations - before.allocations)
                least.references = min(
                    least.references,
                    after.retains + after.releases - before.retains - before.releases)
            }
            return least
        }
    }

    /// Counted in a process of its own, which the counters slow down: a line of four figures each.
    @Test func aBlockMoreCostsNothing() async throws {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardOutputContent]
        ) {
            for isEncrypted in [true, false] {
                let rig = try Rig(encrypted: isEncrypted)
                for (name, body) in [("write", rig.write), ("read", rig.read)] {
                    runtime_counts_begin()
                    let one = try rig.counts(blocks: 1, body)
                    let many = try rig.counts(blocks: 256, body)
                    runtime_counts_end()
                    let figures = [one.objects, one.references, many.objects, many.references]
                    print("of", name, figures.map(String.init).joined(separator: " "))
                }
            }
        }
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        let lines: [[Substring]] = output.split(separator: "\n").filter { $0.hasPrefix("of ") }
            .map { $0.split(separator: " ") }
        #expect(lines.count == 4, "\(output)")
        for line in lines {
            let figures: [Int] = line[2...].compactMap { Int($0) }
            try #require(figures.count == 4)
            let (mostObjects, mostReferences) = line[1] == "write" ? (0, 40) : (2, 30)
            #expect(figures[0] <= mostObjects, "\(line)")
            #expect(figures[1] <= mostReferences, "\(line)")
            #expect(figures[2] == figures[0], "\(line)")
            #expect(figures[3] <= figures[1] + 25, "\(line)")
        }
    }
}
