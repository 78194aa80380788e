import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// A store with an anchor, which is opened again and again; either may be put back.
final class AnchorRig {
    let keys = InMemoryKMS()
    var files = MemoryStore()
    var anchor = InMemoryAnchor()
    let isStrict: Bool

    init(strict: Bool = false) throws {
        isStrict = strict
        try Store.create(in: files, account: "tests", region: "here")
    }

    func open(_ files: (any ChunkStore)? = nil) throws -> Store {
        try Store(
            opening: files ?? self.files, keys: keys, holder: "tests",
            anchor: Anchoring(anchor, isStrict: isStrict), limits: Harness.smallLimits)
    }

    /// What a session of `body` leaves of a disk, cleanly detached.
    func session(_ id: DiskID, _ body: (Disk) throws -> Void) throws {
        let store = try open()
        try body(try store.attach(id))
        try store.close()
    }

    /// The disk attaches, and holds this.
    func expectContent(
        of id: DiskID, _ content: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try session(id) { disk in
            let bytes = try disk.bytes(0, content.count)
            #expect(bytes == content, sourceLocation: sourceLocation)
        }
    }

    func makeDisk(encrypted: Bool = true) throws -> DiskID {
        let store = try open()
        let id = try store.createDisk(encrypted: encrypted, size: 1 << 20, attributes: [:]).id
        try store.close()
        return id
    }

    /// Attaching is refused as a rollback, and says so with these words.
    func expectRefusal(
        _ id: DiskID, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let store = try open()
        let error = #expect(throws: DiskError.self, sourceLocation: sourceLocation) {
            try store.attach(id)
        }
        #expect(error?.code == .rolledBack, "\(error as Any)", sourceLocation: sourceLocation)
        #expect(
            error?.message.contains(words) == true, "\(error as Any)",
            sourceLocation: sourceLocation)
        #expect(store.attached(id) == nil, sourceLocation: sourceLocation)
        try store.close()
    }

    /// Attaching is refused, and done on record if it is accepted; then it is as any other.
    func expectAcceptance(
        of id: DiskID, _ words: String, as content: [UInt8],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try expectRefusal(id, words, sourceLocation: sourceLocation)
        let before = keys.usage()["AcceptRollback"] ?? 0
        let store = try open()
        #expect(
            try store.attach(id, acceptingRollback: true).bytes(0, content.count) == content,
            sourceLocation: sourceLocation)
        #expect(keys.usage()["AcceptRollback"] ?? 0 > before, sourceLocation: sourceLocation)
        try store.close()
        let again = try open()
        _ = try again.attach(id)
        try again.close()
    }
}

extension AnchorRig {
    /// Puts parts of an older copy of the store back: what is there of them goes.
    func putBack(from old: MemoryStore, _ isMeant: (String) -> Bool) throws {
        let now = files.copy()
        for name in now.names where isMeant(name) { try now.remove(ObjectName(name)!) }
        for name in old.names where isMeant(name) {
            let name = ObjectName(name)!  // the store's own
            try now.replaceObject(name, with: try old.readObject(name, limit: 1 << 30))
        }
        files = now
    }

    /// A plain disk with content of somebody's own under the id of a disk of `lineage`, which goes.
    func plant(_ id: DiskID, inPlaceOf lineage: LineageID) throws {
        let planted = LineageID(bytes: [UInt8](repeating: 7, count: LineageID.byteCount))
        let keys = try LineageKeys.plain(planted)
        var manifest = LineageManifest(
            key: .init(
                suite: .plain, epoch: 0, keyID: nil, wrappedKey: nil,
                keyCheck: HexBytes(keys.keyCheck)), created: 0)
        manifest.nextLane = 2
        let disk = DiskManifest(
            id: id, created: 0, lane: 1, slotsPerChunk: 64, origin: .empty(size: 1 << 20),
            sourceSnapshot: nil, nextSequence: 1, attributes: [:])
        for name in files.names where name.hasPrefix("lineages/\(lineage)/") {
            try files.remove(ObjectName(name)!)
        }
        try files.replaceObject(
            ObjectName(StoreLayout.lineageManifest(planted))!,  // the store's own names
            with: manifest.sealed(version: 1, with: keys).bytes)
        try files.replaceObject(
            ObjectName(StoreLayout.disk(planted, id))!,
            with: disk.sealed(version: 1, with: keys).bytes)
    }
}
