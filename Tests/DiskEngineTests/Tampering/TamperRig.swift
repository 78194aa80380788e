import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// A store at rest after clean detaches, with a history worth attacking: two sessions, overwritten
/// and discarded blocks, two checkpoints in different chunks, and a snapshot of the first session.
struct TamperRig {
    static let blocks = 256

    let files: MemoryStore
    /// The same store as it was after the first session.
    let older: MemoryStore
    let keys: InMemoryKMS
    let disk: DiskID
    let lineage: LineageID
    let snapshot: SnapshotID
    /// What every disk and the snapshot must hold.
    var contents: [DiskID: [UInt8]]
    let frozen: [UInt8]

    init(encrypted: Bool) throws {
        let harness = try Harness()
        files = harness.files
        keys = harness.keys
        let made = try harness.store.createDisk(
            encrypted: encrypted, size: UInt64(Self.blocks * 4096), attributes: [:])
        (disk, lineage) = (made.id, made.lineage)
        var content = [UInt8](repeating: 0, count: Self.blocks * 4096)

        func write(_ disk: Disk, _ blocks: Range<Int>, seed: UInt64) throws {
            let bytes = pattern(blocks.count * 4096, seed: seed)
            try disk.put(bytes, at: UInt64(blocks.lowerBound * 4096))
            content.replaceSubrange(
                blocks.lowerBound * 4096..<blocks.upperBound * 4096, with: bytes)
        }

        let first = try harness.store.attach(disk)
        try write(first, 0..<100, seed: 1)
        try first.flush()
        snapshot = try harness.store.createSnapshot(of: disk, attributes: [:]).id
        frozen = content
        try harness.store.detach(disk)
        older = files.copy()

        let second = try harness.store.attach(disk)
        try write(second, 30..<90, seed: 2)
        try second.discard(at: 10 * 4096, length: 10 * 4096)
        content.replaceSubrange(
            10 * 4096..<20 * 4096, with: repeatElement(0, count: 10 * 4096))
        try write(second, 120..<200, seed: 3)
        try second.flush()
        contents = [disk: content]
        try harness.store.close()
    }

    func open(_ files: MemoryStore, keys: (any KeyProvider)? = nil) throws -> Store {
        try Store(
            opening: files, keys: keys ?? self.keys, holder: "tests", limits: Harness.smallLimits)
    }

    func name(_ path: String) -> ObjectName { ObjectName(path)! }  // the store's own paths

    func chunkName(_ number: ChunkNumber) -> ObjectName {
        name(StoreLayout.chunk(lineage, number))
    }

    /// A copy of the store that `change` has tampered with.
    func tampered(_ change: (MemoryStore) throws -> Void) rethrows -> MemoryStore {
        let copy = files.copy()
        try change(copy)
        return copy
    }
}

/// What an attacked store still gave, and what it refused.
struct TamperFinding {
    /// Why the store or a disk could not be opened.
    var refused: DiskError?
    var damaged: [DiskID: [Int: DiskError]] = [:]
    var snapshotRefused: DiskError?
    var damagedInSnapshot: [Int: DiskError] = [:]

    var isClean: Bool {
        refused == nil && snapshotRefused == nil && damagedInSnapshot.isEmpty
            && damaged.values.allSatisfy(\.isEmpty)
    }
}

extension TamperRig {
    /// Opens the store and reads everything, block by block. Whatever is read must be right, and
    /// whatever is refused must be refused as damage (or as a refused key, where `mayRefuseKey`).
    func examine(
        _ files: MemoryStore, _ what: String, mayRefuseKey: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> TamperFinding {
        var finding = TamperFinding()
        func accept(_ error: any Error) -> DiskError? {
            let error = error as? DiskError
            let isExpected = error?.code == .damaged || mayRefuseKey && error?.code == .keyRefused
            #expect(
                isExpected, "\(what): \(error.map { "\($0.code): \($0)" } ?? "no DiskError")",
                sourceLocation: sourceLocation)
            return error
        }
        do {
            let store = try open(files)
            defer { try? store.close() }  // what it says of a damaged store is not asked here
            for (id, content) in contents.sorted(by: { $0.key < $1.key }) {
                do {
                    let attached = try store.attach(id)
                    #expect(
                        attached.size == UInt64(content.count), "\(what): size",
                        sourceLocation: sourceLocation)
                    finding.damaged[id] = compare(content, what, accept, sourceLocation) {
                        try attached.bytes(UInt64($0 * 4096), 4096)
                    }
                } catch {
                    finding.refused = accept(error)
                }
            }
            do {
                let reader = try store.openSnapshot(snapshot)
                defer { reader.close() }
                finding.damagedInSnapshot = compare(frozen, what, accept, sourceLocation) {
                    try reader.bytes(UInt64($0 * 4096), 4096)
                }
            } catch let error as DiskError where error.code == .keyRequired {
                // The attach was refused before.
                finding.snapshotRefused = error
            } catch {
                finding.snapshotRefused = accept(error)
            }
        } catch {
            finding.refused = accept(error)
        }
        return finding
    }

    private func compare(
        _ content: [UInt8], _ what: String, _ accept: (any Error) -> DiskError?,
        _ location: SourceLocation, read: (Int) throws -> [UInt8]
    ) -> [Int: DiskError] {
        var damaged: [Int: DiskError] = [:]
        for block in 0..<content.count / 4096 {
            do {
                let found = try read(block)
                let isRight = found == Array(content[block * 4096..<(block + 1) * 4096])
                guard isRight else {
                    Issue.record(
                        "\(what): wrong data in block \(block)", sourceLocation: location)
                    break
                }
            } catch {
                damaged[block] = accept(error)
            }
        }
        return damaged
    }
}

extension SnapshotReader {
    fileprivate func bytes(_ offset: UInt64, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: offset) }
        return bytes
    }
}
