import ChunkStore
import DiskFormat
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// Damage is found before somebody needs what it took, and told with all that it takes.
@Suite struct ScrubTests {
    /// A disk with two snapshots: 64 blocks in the first, every eighth of them anew in the second,
    /// every fourth on the disk.
    private final class Rig {
        let memory = MemoryStore()
        let faulty: FaultyStore
        let store: Store
        let disk: Disk
        let snapshots: [SnapshotID]
        static let blocks = 64

        init(encrypted: Bool) throws {
            faulty = FaultyStore(memory)
            try Store.create(in: faulty, account: "tests", region: "here")
            store = try Store(
                opening: faulty, keys: InMemoryKMS(), holder: "tests", limits: Harness.smallLimits)
            disk = try store.attach(
                store.createDisk(encrypted: encrypted, size: 8 << 20, attributes: [:]).id)
            var taken: [SnapshotID] = []
            for step in [1, 8, 4] {
                for block in stride(from: 0, to: Self.blocks, by: step) {
                    try disk.put(
                        pattern(4096, seed: UInt64(step * 1000 + block)), at: UInt64(block * 4096))
                }
                if step == 4 {
                    _ = try disk.checkpoint()
                } else {
                    taken.append(try store.createSnapshot(of: disk.id, attributes: [:]).id)
                }
            }
            snapshots = taken
        }

        func address(_ block: BlockNumber) throws -> BlockAddress {
            try disk.reader.address(ofBlock: block)
        }

        func file(_ address: BlockAddress) -> ObjectName {
            // The engine's own names are valid.
            ObjectName(StoreLayout.chunk(disk.lineage.id, address.chunk))!
        }

        /// Changes a byte of a slot's body, or changes it back.
        func flip(_ address: BlockAddress) throws {
            try memory.mutateFile(
                file(address), at: disk.layout.bodyOffset(of: address.slot) + 77, count: 1
            ) { $0[0] ^= 0x10 }
        }

        /// Everything, piece by piece.
        func scrub(
            limit: UInt64 = 5 * 4096, _ piece: (UInt64) throws -> ScrubResult
        ) throws -> (verified: UInt64, findings: [ScrubFinding], pieces: Int) {
            var (verified, findings, pieces): (UInt64, [ScrubFinding], Int) = (0, [], 0)
            var offset: UInt64? = 0
            while let start = offset {
                let result = try piece(start)
                verified += result.verifiedBytes
                findings += result.findings
                pieces += 1
                offset = result.next
            }
            return (verified, findings, pieces)
        }

        func scrubDisk(limit: UInt64 = 1 << 20, since base: SnapshotID? = nil) throws
            -> (verified: UInt64, findings: [ScrubFinding], pieces: Int)
        {
            try scrub { try store.scrub(disk.id, since: base, from: $0, limit: limit) }
        }

        func scrubSnapshot(_ index: Int, since base: SnapshotID? = nil) throws
            -> (verified: UInt64, findings: [ScrubFinding], pieces: Int)
        {
            try scrub {
                try store.scrub(snapshots[index], since: base, from: $0, limit: 1 << 20)
            }
        }
    }

    @Test(arguments: [true, false]) func whatIsWholeIsVerifiedOnce(encrypted: Bool) throws {
        let rig = try Rig(encrypted: encrypted)
        let whole = try rig.scrubDisk()
        #expect(whole.findings == [])
        #expect(whole.verified == 64 * 4096)
        #expect(try rig.scrubSnapshot(0).verified == 64 * 4096)
        // Against what was verified before, only what is new.
        #expect(try rig.scrubSnapshot(1, since: rig.snapshots[0]).verified == 8 * 4096)
        #expect(try rig.scrubDisk(since: rig.snapshots[1]).verified == 16 * 4096)
        try rig.store.close()
    }

    @Test func itGoesOnWhereAPieceEnded() throws {
        let rig = try Rig(encrypted: true)
        // The blocks of a leaf are one piece at least: data in four leaves.
        for leaf in 1..<4 {
            try rig.disk.put(pattern(8192, seed: UInt64(leaf)), at: UInt64(leaf * 512 * 4096))
        }
        _ = try rig.disk.checkpoint()
        let result = try rig.scrubDisk(limit: 4096)
        #expect(result.verified == (64 + 6) * 4096)
        #expect(result.pieces >= 4)
        #expect(result.findings == [])
        try rig.store.close()
    }

    /// Which bytes, which file, and which snapshots have it too; nothing else is kept from being
    /// read; and the file put back heals it.
    @Test(arguments: [true, false]) func aDamagedBlockIsTold(encrypted: Bool) throws {
        let rig = try Rig(encrypted: encrypted)
        // Blocks that the disk has of the first snapshot, of the second, and alone.
        for (block, sharers) in [(1, rig.snapshots), (4, []), (9, rig.snapshots)] {
            let address = try rig.address(BlockNumber(block))
            try rig.flip(address)
            let result = try rig.scrubDisk()
            #expect(result.findings.count == 1)
            let finding = try #require(result.findings.first)
            #expect(finding.kind == .data)
            #expect(finding.offset == UInt64(block * 4096) && finding.length == 4096)
            #expect(finding.chunkFile == rig.file(address).path)
            #expect(finding.snapshots == sharers.sorted())
            #expect(finding.disks == [])
            #expect(result.verified == 63 * 4096)
            #expect(rig.store.damage()["disk \(rig.disk.id)"] != nil)
            // Around it everything is read.
            #expect(
                diskErrorCode { _ = try rig.disk.bytes(UInt64(block * 4096), 4096) } == .damaged)
            _ = try rig.disk.bytes(UInt64((block + 1) * 4096), 4096)
            let found = try rig.scrubSnapshot(0).findings
            #expect(found.map(\.disks) == (sharers.isEmpty ? [] : [[rig.disk.id]]))
            try rig.flip(address)
            #expect(try rig.scrubDisk().findings == [])
            _ = try rig.disk.bytes()
        }
        try rig.store.close()
    }

    /// Put back as another file under its name, which who has the old one open does not see.
    @Test(arguments: [true, false]) func anotherFileInItsPlaceHealsWhileInUse(encrypted: Bool)
        throws
    {
        let rig = try Rig(encrypted: encrypted)
        let address = try rig.address(1)
        let backup = try rig.memory.readObject(rig.file(address), limit: 1 << 30)
        try rig.flip(address)
        #expect(diskErrorCode { _ = try rig.disk.bytes(4096, 4096) } == .damaged)
        try rig.memory.replaceObject(rig.file(address), with: backup)
        #expect(try rig.disk.bytes(4096, 4096) == pattern(4096, seed: 1001))
        #expect(try rig.scrubDisk().findings == [])
        #expect(try rig.scrubSnapshot(0).findings == [])
        try rig.store.close()
    }

    /// Neighbours are one finding, however many.
    @Test func damagedNeighboursAreOneFinding() throws {
        let rig = try Rig(encrypted: true)
        for block in 20..<24 { try rig.flip(try rig.address(BlockNumber(block))) }
        // Block 20 lies elsewhere: it was written again.
        let findings = try rig.scrubDisk().findings
        #expect(findings.map(\.offset) == [20 * 4096, 21 * 4096])
        #expect(findings.map(\.length) == [4096, 3 * 4096])
        try rig.store.close()
    }

    @Test(arguments: [true, false]) func aDamagedMapPageIsTold(encrypted: Bool) throws {
        let rig = try Rig(encrypted: encrypted)
        let leaf = try rig.disk.reader.address(of: .leaf(of: 0))
        try rig.flip(leaf)
        let finding = try #require(try rig.scrubDisk().findings.first)
        #expect(finding.kind == .map)
        #expect(finding.offset == 0 && finding.length == 512 * 4096)
        #expect(finding.chunkFile == rig.file(leaf).path)
        #expect(finding.snapshots == [], "each has a page of its own")
        try rig.flip(leaf)
        // The root: nothing below it can be looked at.
        let root = rig.disk.monitor.withLock { rig.disk.manifest.state.root }
        try rig.flip(root)
        let all = try rig.scrubDisk()
        #expect(all.findings.map(\.kind) == [.map] && all.verified == 0)
        #expect(all.findings.first?.length == rig.disk.size)
        try rig.flip(root)
        #expect(try rig.scrubDisk().findings == [])
        try rig.store.close()
    }

    @Test func aDamagedCheckpointRecordIsTold() throws {
        let rig = try Rig(encrypted: true)
        let slot = rig.disk.monitor.withLock { rig.disk.manifest.checkpoints[1].slot }
        try rig.flip(slot)
        let finding = try #require(try rig.scrubDisk().findings.first)
        #expect(finding.kind == .checkpoint && finding.chunkFile == rig.file(slot).path)
        try rig.flip(slot)
        try rig.store.close()
    }

    /// A file that is gone takes what it held, and no more.
    @Test func aMissingChunkIsTold() throws {
        let rig = try Rig(encrypted: true)
        let address = try rig.address(1)
        let lost = try (0..<64).filter { try rig.address(BlockNumber($0)).chunk == address.chunk }
        try rig.memory.remove(rig.file(address))
        rig.disk.lineage.chunks.remove(address.chunk)
        let result = try rig.scrubDisk()
        #expect(result.verified == UInt64(64 - lost.count) * 4096)
        let told = result.findings.filter { $0.kind == .data }.reduce(0) { $0 + Int($1.length) }
        #expect(told == lost.count * 4096)
        #expect(result.findings.allSatisfy { $0.chunkFile == rig.file(address).path })
        try rig.store.close()
    }

    /// What the medium does not give is damage as good as any other.
    @Test func whatCannotBeReadIsTold() throws {
        let rig = try Rig(encrypted: true)
        let address = try rig.address(3)
        let body = rig.disk.layout.bodyOffset(of: address.slot)
        rig.faulty.arm(
            Fault(
                [.read], prefix: rig.file(address).path, isLasting: true, bytes: body..<body + 4096)
        )
        let findings = try rig.scrubDisk().findings
        #expect(findings.map(\.offset) == [3 * 4096] && findings.map(\.length) == [4096])
        rig.faulty.disarm()
        #expect(try rig.scrubDisk().findings == [])
        try rig.store.close()
    }

    @Test func whatCannotBeVerifiedIsRefused() throws {
        let rig = try Rig(encrypted: true)
        let other = try rig.store.attach(
            rig.store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id)
        #expect(
            diskErrorCode {
                _ = try rig.store.scrub(other.id, since: rig.snapshots[0], limit: 4096)
            }
                == .invalid)
        try rig.store.detach(other.id)
        #expect(diskErrorCode { _ = try rig.store.scrub(other.id, limit: 4096) } == .keyRequired)
        try rig.store.detach(rig.disk.id)
        #expect(
            diskErrorCode { _ = try rig.store.scrub(rig.snapshots[0], limit: 4096) } == .keyRequired
        )
        try rig.store.close()
    }

    /// What is written, checkpointed and given back meanwhile is never taken for damage.
    @Test func aDiskInUseIsNotDamaged() throws {
        let harness = try Harness(limits: Harness.reclaimingLimits)
        let disk = try harness.disk(4 << 20)
        try disk.put(pattern(4 << 20, seed: 1), at: 0)
        let done = Flag()
        do {
            let writer = startThread(name: "writer") {
                var generator = SeededGenerator(seed: 3)
                while !done.isSet {
                    let block = UInt64.random(in: 0..<1024, using: &generator)
                    try? disk.put(pattern(4096, seed: block), at: block * 4096)
                }
            }
            for _ in 0..<40 {
                var offset: UInt64? = 0
                while let start = offset {
                    do {
                        let result = try harness.store.scrub(disk.id, from: start, limit: 1 << 20)
                        #expect(result.findings == [])
                        offset = result.next
                    } catch {
                        Issue.record("\(error)")
                        offset = nil
                    }
                }
            }
            done.set()
            writer.join()
        }
        try harness.store.close()
    }

    private final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .relaxed) }
        func set() { value.store(true, ordering: .relaxed) }
    }
}
