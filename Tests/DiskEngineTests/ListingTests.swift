import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// What is asked of one disk or snapshot costs no look at the others.
@Suite struct ListingTests {
    private struct Entry: Listed {
        let lineage: LineageID
        var owner: DiskID?
        var place: CreationOrder
        var attributes: [String: String]
    }

    @Test func indicesSayWhatTheEntriesSay() {
        var generator = SeededGenerator(seed: 5)
        var listing = Listing<Int, Entry>()
        var reference: [Int: Entry] = [:]
        let lineages = (0..<3).map { LineageID(bytes: Array(repeating: UInt8($0), count: 16)) }
        let owners = (0..<3).map { DiskID(random: Array(repeating: UInt8($0), count: 20)) }
        for _ in 0..<2000 {
            let id = Int.random(in: 0..<60, using: &generator)
            let revision = listing.revision
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                let isThere = reference[id] != nil
                listing[id] = nil
                reference[id] = nil
                #expect((listing.revision > revision) == isThere)
            case 1:
                // The same once more: nobody's names have changed.
                listing[id] = reference[id]
                #expect(listing.revision == revision)
            default:
                let place = CreationOrder(
                    created: Int64.random(in: 0..<5, using: &generator),
                    order: UInt32.random(in: 0..<9, using: &generator), id: "\(id)")
                let name = "\(Int.random(in: 0..<20, using: &generator))"
                let entry = Entry(
                    lineage: lineages.randomElement(using: &generator)!,
                    owner: owners.randomElement(using: &generator), place: place,
                    attributes: ["Name": name])
                listing[id] = entry
                reference[id] = entry
            }
            listing.checkInvariants()
        }
        for lineage in lineages {
            #expect(
                listing.count(in: lineage)
                    == reference.values.count { $0.lineage == lineage })
        }
        for owner in owners {
            #expect(listing.count(of: owner) == reference.values.count { $0.owner == owner })
        }
        for name in (0..<20).map(String.init) {
            let ids = reference.filter { $0.value.attributes["Name"] == name }.keys
            #expect(listing.ids(with: "Name", name) == Set(ids))
        }
    }

    /// Attaching, opening and reading change no name.
    @Test func theRevisionIsOfNamesAlone() throws {
        let harness = try Harness()
        let disk = try harness.disk()
        try disk.put(pattern(8192, seed: 1), at: 0)
        let made = try harness.store.createSnapshot(of: disk.id, attributes: ["Name": "a"])
        let revision = harness.store.catalogueRevision
        let reader = try harness.store.openSnapshot(made.id)
        #expect(try reader.bytes().count == 1 << 20)
        reader.close()
        try disk.put(pattern(8192, seed: 2), at: 0)
        try harness.store.detach(disk.id)
        try harness.store.attach(disk.id)
        #expect(harness.store.catalogueRevision == revision)
        try harness.store.setAttributes(of: made.id, to: ["Name": "b"])
        #expect(harness.store.catalogueRevision > revision)
        #expect(harness.store.snapshots(withAttribute: "Name", "b").map(\.id) == [made.id])
        #expect(harness.store.snapshots(withAttribute: "Name", "a").isEmpty)
        try harness.store.close()
    }

    /// The thousandth snapshot of a disk costs the calls of the store that the tenth did.
    @Test func thousandSnapshotsOfADisk() throws {
        let files = FaultyStore(MemoryStore())
        try Store.create(in: files, account: "a", region: "r")
        let store = try Store(
            opening: files, keys: InMemoryKMS(), holder: "t", limits: Harness.smallLimits)
        let disk = try store.attach(
            store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]).id)
        try disk.put(pattern(1 << 20, seed: 1), at: 0)
        var calls: [Int] = []
        for round in 0..<1000 {
            try disk.put(pattern(4096, seed: UInt64(round)), at: UInt64(round % 256) * 4096)
            store.reclaimer.waitUntilIdle()
            func count() -> Int { files.count(of: [.replaceObject, .readObject, .openFile]) }
            let before = count()
            _ = try store.createSnapshot(of: disk.id, attributes: ["Name": "\(round)"])
            calls.append(count() - before)
        }
        #expect(calls.suffix(100).max()! <= calls[10..<110].max()!, "\(calls)")
        #expect(try store.disk(disk.id).snapshotCount == 1000)
        // Those in the middle go; each of the others reads on.
        let ids = try store.snapshots().map(\.id)
        for id in ids[300..<700] { try store.deleteSnapshot(id) }
        store.reclaimer.waitUntilIdle()
        for index in [0, 43, 299, 700, 999] {
            let reader = try store.openSnapshot(ids[index])
            let place = UInt64(index % 256) * 4096
            #expect(try reader.bytes(4096, at: place) == pattern(4096, seed: UInt64(index)))
            reader.close()
        }
        // A pass that is to be left does not read the records of all first.
        var asked = 0
        let before = files.count(of: [.readObject])
        let roots = try store.actions.withLock {
            try store.collectRoots(disk.lineage) {
                asked += 1
                return asked < 5
            }
        }
        #expect(roots == nil)
        #expect(files.count(of: [.readObject]) - before < 10)
        try store.close()
    }
}

extension SnapshotReader {
    fileprivate func bytes(_ count: Int, at offset: UInt64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes { try read(into: $0, at: offset) }
        return bytes
    }
}
