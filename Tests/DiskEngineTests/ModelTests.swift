import ChunkStore
import DiskFormat
import Glibc
import Testing

@testable import DiskEngine

/// The engine against a reference under long random sequences, checked after every step that could
/// lose anything. `SEALDISK_SEEDS=first-last` runs other seeds; a failure names the one to replay.
@Suite struct ModelTests {
    static var seeds: ClosedRange<UInt64> {
        guard let value = getenv("SEALDISK_SEEDS") else { return 1...24 }
        let text = String(cString: value)
        let bounds = text.split(separator: "-").compactMap { UInt64($0) }
        return (bounds.first ?? 1)...(bounds.last ?? 24)
    }

    @Test(arguments: seeds)
    func randomSequences(seed: UInt64) throws {
        var model = try Model(seed: seed)
        for step in 0..<150 {
            do {
                try model.step()
            } catch {
                Issue.record("seed \(seed), step \(step): \(error)")
                break
            }
        }
        try model.finish()
    }
}

private struct Mismatch: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = text }
}

private struct Model {
    private var generator: SeededGenerator
    private let harness: Harness
    private var disks: [DiskID: ReferenceDisk] = [:]
    private var origins: [DiskID: [UInt8]] = [:]
    private var snapshots: [SnapshotID: (disk: DiskID, content: [UInt8])] = [:]

    init(seed: UInt64) throws {
        generator = SeededGenerator(seed: seed)
        var limits = seed.isMultiple(of: 2) ? Harness.reclaimingLimits : Harness.smallLimits
        limits.detectZeroes = seed.isMultiple(of: 3)
        harness = try Harness(limits: limits)
        for encrypted in [true, false] {
            let size = 4096 * Int.random(in: 1...700, using: &generator)
            let disk = try harness.disk(UInt64(size), encrypted: encrypted)
            let zeros = [UInt8](repeating: 0, count: size)
            disks[disk.id] = ReferenceDisk(zeros)
            origins[disk.id] = zeros
        }
    }

    /// Everything goes, in any order; then nothing is left of it.
    mutating func finish() throws {
        try verifyAll()
        while !disks.isEmpty || !snapshots.isEmpty {
            if let id = snapshots.keys.sorted().randomElement(using: &generator),
                disks.isEmpty || Bool.random(using: &generator)
            {
                try harness.store.deleteSnapshot(id)
                snapshots[id] = nil
            } else {
                let id = pick(disks.keys.sorted())
                try detach(id)
                try harness.store.deleteDisk(id)
                disks[id] = nil
            }
        }
        harness.store.reclaimer.waitUntilIdle()
        let left = harness.files.names.filter { $0 != "store.json" && $0 != "reserve" }
        try expect(left.isEmpty, "left of what was deleted: \(left)")
        try harness.store.close()
    }

    mutating func step() throws {
        let id = pick(disks.keys.sorted())
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<45: try write(id)
        case 45..<60: try discard(id)
        case 60..<70: try flush(id)
        case 70..<78: try snapshot(id)
        case 78..<81: try deleteSnapshot()
        case 81..<83: try clone()
        case 83..<84: try sendAway()
        case 84..<87: try reset()
        case 87..<88: try reinitialize(id)
        case 88..<91: try grow(id)
        case 91..<93: try detach(id)
        case 93..<94: try delete(id)
        case 94..<96: try crash(.kill)
        case 96..<99: try crash(.powerCut)
        default: try reopen()
        }
        if let disk = harness.store.attached(id), let reference = disks[id] {
            try expect(disk.bytes() == reference.content, "disk \(id) differs")
            let stored = stride(from: 0, to: reference.content.count, by: 4096).count {
                reference.content[$0..<$0 + 4096].contains { $0 != 0 }
            }
            try expect(disk.storedBytes >= UInt64(stored * 4096), "stored bytes are too few")
            disk.monitor.withLock { disk.map.checkInvariants() }
        }
    }

    private mutating func write(_ id: DiskID) throws {
        let disk = try attached(id)
        let size = disks[id]!.content.count
        let offset = Int.random(in: 0..<size, using: &generator)
        let count = min(size - offset, Int.random(in: 1...150_000, using: &generator))
        let bytes =
            Int.random(in: 0..<8, using: &generator) == 0
            ? [UInt8](repeating: 0, count: count) : pattern(count, seed: generator.next())
        try disk.put(bytes, at: UInt64(offset))
        disks[id]!.write(bytes, at: offset)
    }

    private mutating func discard(_ id: DiskID) throws {
        let disk = try attached(id)
        let size = disks[id]!.content.count
        let offset = Int.random(in: 0..<size, using: &generator)
        let count = Int.random(in: 1...size - offset, using: &generator)
        try disk.discard(at: UInt64(offset), length: UInt64(count))
        disks[id]!.discard(at: offset, count: count)
    }

    private mutating func flush(_ id: DiskID) throws {
        try attached(id).flush()
        disks[id]!.flush()
    }

    private mutating func snapshot(_ id: DiskID) throws {
        guard snapshots.count < 6 else { return }
        let made = try harness.store.createSnapshot(of: id, attributes: [:])
        disks[id]!.flush()
        snapshots[made.id] = (id, disks[id]!.content)
        if harness.store.attached(id) != nil { try verify(made.id) }
    }

    private mutating func deleteSnapshot() throws {
        guard let id = snapshots.keys.sorted().randomElement(using: &generator) else { return }
        try harness.store.deleteSnapshot(id)
        snapshots[id] = nil
        harness.store.reclaimer.waitUntilIdle()
    }

    private mutating func clone() throws {
        guard disks.count < 5, let id = snapshots.keys.sorted().randomElement(using: &generator)
        else { return }
        let source = snapshots[id]!.content
        let grown = source.count + 4096 * Int.random(in: 0...20, using: &generator)
        let made = try harness.store.createDisk(
            from: id, size: UInt64(grown), attributes: ["DiskName": "clone"])
        var reference = ReferenceDisk(source)
        reference.grow(to: grown)
        disks[made.id] = reference
        origins[made.id] = reference.content
        _ = try attached(made.id)
    }

    /// A snapshot leaves as a file and comes back, whole or as the difference to another.
    private mutating func sendAway() throws {
        guard let id = snapshots.keys.sorted().randomElement(using: &generator) else { return }
        let store = harness.store
        guard disks[snapshots[id]!.disk] != nil else { return }
        _ = try attached(snapshots[id]!.disk)
        let lineage = try store.snapshot(id).lineage
        let base = try snapshots.keys.sorted().filter {
            try $0 != id && store.snapshot($0).lineage == lineage
        }.randomElement(using: &generator)
        let whole = try harness.sealed(id)
        let file = try base.map { try harness.difference(id, since: $0) } ?? whole
        try store.deleteSnapshot(id)
        if Bool.random(using: &generator) {
            let cut = Int.random(in: 0..<file.count, using: &generator)
            _ = try? store.importing(Array(file[..<cut]))
        }
        _ = try store.importing(file)
        try expect(harness.sealed(id) == whole, "snapshot \(id) came back as another")
        try verify(id)
    }

    private mutating func reset() throws {
        guard let id = snapshots.keys.sorted().randomElement(using: &generator),
            disks[snapshots[id]!.disk] != nil
        else { return }
        try harness.store.reset(snapshots[id]!.disk, to: id)
        disks[snapshots[id]!.disk] = ReferenceDisk(snapshots[id]!.content)
    }

    private mutating func reinitialize(_ id: DiskID) throws {
        guard !snapshots.values.contains(where: { $0.disk == id }) else { return }
        try harness.store.reinitialize(id)
        disks[id] = ReferenceDisk(origins[id]!)
    }

    private mutating func grow(_ id: DiskID) throws {
        let size = disks[id]!.content.count + 4096 * Int.random(in: 1...30, using: &generator)
        try harness.store.resize(id, to: UInt64(size))
        disks[id]!.grow(to: size)
        if Bool.random(using: &generator) { _ = try attached(id) }
    }

    private mutating func detach(_ id: DiskID) throws {
        guard harness.store.attached(id) != nil else { return }
        try harness.store.detach(id)
        disks[id]!.flush()
    }

    private mutating func delete(_ id: DiskID) throws {
        guard disks.count > 2 else { return }
        try detach(id)
        try harness.store.deleteDisk(id)
        disks[id] = nil
        harness.store.reclaimer.waitUntilIdle()
    }

    private mutating func crash(_ kind: Harness.Crash) throws {
        let open = Set(harness.store.attachedDisks().map(\.id))
        try harness.crash(kind)
        for id in disks.keys.sorted() {
            let found = try attached(id).bytes()
            if kind == .powerCut, open.contains(id) {
                let isPrefix = disks[id]!.accept(afterPowerCut: found)
                try expect(isPrefix, "disk \(id) after a power cut is no prefix")
            } else {
                try expect(found == disks[id]!.content, "disk \(id) after a crash differs")
                disks[id]!.flush()
            }
        }
        try verifyAll()
    }

    private mutating func reopen() throws {
        try harness.reopen()
        for id in disks.keys { disks[id]!.flush() }
        try verifyAll()
    }

    private mutating func verifyAll() throws {
        for (id, reference) in disks {
            try expect(attached(id).bytes() == reference.content, "disk \(id) differs")
        }
        for id in snapshots.keys where disks[snapshots[id]!.disk] != nil { try verify(id) }
    }

    private func verify(_ id: SnapshotID) throws {
        let reader = try harness.store.openSnapshot(id)
        defer { reader.close() }
        try expect(reader.bytes() == snapshots[id]!.content, "snapshot \(id) differs")
    }

    private func attached(_ id: DiskID) throws -> Disk {
        try harness.store.attached(id) ?? harness.store.attach(id)
    }

    private mutating func pick<T>(_ items: [T]) -> T { items.randomElement(using: &generator)! }

    private func expect(_ holds: Bool, _ what: String) throws {
        if !holds { throw Mismatch(what) }
    }
}
