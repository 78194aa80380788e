import CryptoPrimitives
import DiskFormat
import Synchronization
import Testing

@testable import DiskEngine

/// Sealed snapshots: the same bytes whenever and however they are read, and in them the snapshot.
@Suite struct SealedSnapshotTests {
    private static let blocks = 1300

    /// A disk with runs of blocks of all lengths and holes between them, some of whole leaves.
    private static func fill(_ disk: Disk, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var block = Int.random(in: 0...2, using: &generator)
        while block < 450 {
            let count = Int.random(in: 1...40, using: &generator)
            try disk.put(
                pattern(count * 4096, seed: generator.next()), at: UInt64(block * 4096))
            block += count + Int.random(in: 0...9, using: &generator)
        }
        try disk.put(pattern(4096, seed: seed), at: UInt64((blocks - 1) * 4096))
    }

    private static func snapshot(_ harness: Harness, encrypted: Bool) throws
        -> (disk: DiskID, snapshot: SnapshotID)
    {
        let disk = try harness.disk(UInt64(blocks * 4096), encrypted: encrypted)
        try fill(disk, seed: 5)
        return (disk.id, try harness.store.createSnapshot(of: disk.id, attributes: [:]).id)
    }

    @Test(arguments: [true, false]) func itOpensToWhatTheSnapshotHolds(encrypted: Bool) throws {
        let harness = try Harness()
        let (disk, id) = try Self.snapshot(harness, encrypted: encrypted)
        let reader = try harness.store.openSnapshot(id)
        let sealed = try harness.store.openSealedSnapshot(id)
        let bytes = try sealed.bytes()
        #expect(UInt64(bytes.count) == sealed.size)
        #expect(sealed.size == SealedGeometry.fileSize(blocks: reader.storedBytes / 4096))
        let keys = try #require(harness.store.attached(disk)).lineage.keys
        #expect(try SealedFile.content(of: bytes, keys) == reader.bytes())
        let header = try UnopenedSealedHeader(bytes: Array(bytes[..<4096])).open(with: keys)
        #expect(header.snapshot == id && header.disk == disk && header.base == nil)
        #expect(header.size == reader.size && header.storedBlocks == reader.storedBytes / 4096)
        #expect(header.store == harness.store.identity.storeID)
        sealed.close()
        reader.close()
        try harness.store.close()
    }

    @Test(arguments: [true, false]) func everyReadGivesTheSameBytes(encrypted: Bool) throws {
        let harness = try Harness()
        let (_, id) = try Self.snapshot(harness, encrypted: encrypted)
        let sealed = try harness.store.openSealedSnapshot(id)
        let whole = try sealed.bytes()
        #expect(try sealed.bytes() == whole)
        let fresh = try harness.store.openSealedSnapshot(id)
        var generator = SeededGenerator(seed: 9)
        for _ in 0..<200 {
            let offset = Int.random(in: 0...whole.count, using: &generator)
            let count = Int.random(in: 0...150_000, using: &generator)
            let expected = whole[offset..<min(offset + count, whole.count)]
            #expect(try fresh.bytes(offset, count).elementsEqual(expected), "\(count) at \(offset)")
        }
        #expect(try fresh.bytes(whole.count + 7, 10).isEmpty)
        try harness.store.close()
    }

    @Test func whoReadsItToItsEndLearnsItsDigest() throws {
        let harness = try Harness()
        let (_, id) = try Self.snapshot(harness, encrypted: true)
        let sealed = try harness.store.openSealedSnapshot(id)
        var bytes: [UInt8] = []
        // What is read twice, or a little out of order, counts once.
        _ = try sealed.bytes(2 * SealedGeometry.maximumFrameSize, 4096)
        #expect(try harness.store.snapshot(id).digest == nil)
        while bytes.count < Int(sealed.size) {
            bytes += try sealed.bytes(bytes.count, 100_000)
            _ = try sealed.bytes(0, 9000)
        }
        #expect(
            try harness.store.snapshot(id).digest == Hex.text(SHA256.hash(bytes)))
        try harness.store.close()
    }

    @Test func threadsReadTheSameBytes() throws {
        let harness = try Harness()
        let (_, id) = try Self.snapshot(harness, encrypted: true)
        let whole = try harness.store.openSealedSnapshot(id).bytes()
        let sealed = try harness.store.openSealedSnapshot(id)
        let problems = Mutex<[String]>([])
        let threads = (0..<6).map { thread in
            startThread(name: "reader") {
                var generator = SeededGenerator(seed: UInt64(thread))
                for _ in 0..<100 {
                    let offset = Int.random(in: 0..<whole.count, using: &generator)
                    let count = Int.random(in: 1...131_072, using: &generator)
                    let expected = whole[offset..<min(offset + count, whole.count)]
                    let found = try? sealed.bytes(offset, count)
                    if found?.elementsEqual(expected) != true {
                        problems.withLock { $0.append("\(count) at \(offset)") }
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(problems.withLock { $0 } == [])
        try harness.store.close()
    }

    /// Neither where the blocks lie, nor what becomes of the disk, nor the process is in it.
    @Test(arguments: [true, false])
    func reclamationAndReattachingChangeNothing(encrypted: Bool) throws {
        let harness = try Harness(limits: Harness.reclaimingLimits)
        let (id, snapshot) = try Self.snapshot(harness, encrypted: encrypted)
        let whole = try harness.store.openSealedSnapshot(snapshot).bytes()
        let disk = try #require(harness.store.attached(id))
        for round in 1...3 as ClosedRange<UInt64> {
            try Self.fill(disk, seed: 100 + round)
            harness.store.reclaimer.waitUntilIdle()
        }
        _ = try harness.store.reclaim(disk.lineage.id, walking: true, isUrgent: true)
        #expect(try harness.store.openSealedSnapshot(snapshot).bytes() == whole)
        try harness.store.detach(id)
        if encrypted {
            #expect { try harness.store.openSealedSnapshot(snapshot) } throws: {
                ($0 as? DiskError)?.code == .keyRequired
            }
        } else {
            #expect(try harness.store.openSealedSnapshot(snapshot).bytes() == whole)
        }
        _ = try harness.store.attach(id)
        #expect(try harness.store.openSealedSnapshot(snapshot).bytes() == whole)
        try harness.reopen()
        _ = try harness.store.attach(id)
        #expect(try harness.store.openSealedSnapshot(snapshot).bytes() == whole)
        try harness.store.close()
    }

    /// None, one, and a full frame or two: the last frame may be empty, full or in between.
    @Test(arguments: [0, 1, 126, 127, 252], [true, false])
    func framesAtTheirEdges(stored: Int, encrypted: Bool) throws {
        let harness = try Harness()
        let disk = try harness.disk(encrypted: encrypted)
        if stored > 0 { try disk.put(pattern(stored * 4096, seed: 3), at: 4096) }
        let id = try harness.store.createSnapshot(of: disk.id, attributes: [:]).id
        let bytes = try harness.store.openSealedSnapshot(id).bytes()
        #expect(bytes.count == Int(SealedGeometry.fileSize(blocks: UInt64(stored))))
        let content = try harness.store.openSnapshot(id).bytes()
        #expect(try SealedFile.content(of: bytes, disk.lineage.keys) == content)
        try harness.store.close()
    }

    @Test func itKeepsItsSnapshotFromDeletion() throws {
        let harness = try Harness()
        let (_, id) = try Self.snapshot(harness, encrypted: true)
        let sealed = try harness.store.openSealedSnapshot(id)
        #expect { try harness.store.deleteSnapshot(id) } throws: {
            ($0 as? DiskError)?.code == .busy
        }
        sealed.close()
        sealed.close()
        try harness.store.deleteSnapshot(id)
        #expect { try harness.store.openSealedSnapshot(id) } throws: {
            ($0 as? DiskError)?.code == .notFound
        }
        try harness.store.close()
    }
}

extension SealedSnapshotReader {
    func bytes(_ offset: Int = 0, _ count: Int? = nil) throws -> [UInt8] {
        let count = count ?? Int(size) + 1
        var bytes = [UInt8](repeating: 0xEE, count: count)
        let got = try bytes.withUnsafeMutableBytes { try read(into: $0, at: UInt64(offset)) }
        return Array(bytes[..<got])
    }
}

/// A full sealed snapshot as who receives it reads it.
enum SealedFile {
    /// The content of the disk that it holds. Throws if a byte of it is not authentic.
    static func content(of file: [UInt8], _ keys: LineageKeys) throws -> [UInt8] {
        let header = try UnopenedSealedHeader(bytes: Array(file[..<4096])).open(with: keys)
        let cipher = try keys.cipher(for: header)
        var content = [UInt8](repeating: 0, count: Int(header.size))
        var (offset, next, count) = (4096, 0 as BlockNumber, 0 as UInt64)
        for index in 0..<SealedGeometry.frames(blocks: header.storedBlocks) {
            let number = try #require(FrameNumber(index))
            #expect(SealedGeometry.offset(of: number) == UInt64(offset))
            let length = try file[offset...].withUnsafeBytes {
                try SealedFrameFields(unverifiedIndexPage: $0).frameSize
            }
            var frame = Array(file[offset..<offset + length])
            let (items, isLast) = try frame.withUnsafeMutableBytes {
                try cipher.open($0, as: number, from: next)
            }
            for (place, item) in items.enumerated() {
                let block = Int(item.blocks.lowerBound)
                let body = frame[(1 + place) * 4096..<(2 + place) * 4096]
                content.replaceSubrange(block * 4096..<(block + 1) * 4096, with: body)
            }
            offset += length
            next = items.last?.blocks.upperBound ?? next
            count += UInt64(items.count)
            #expect(isLast == (offset == file.count))
        }
        #expect(count == header.storedBlocks)
        return content
    }
}
