import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Manifests that were changed, exchanged, or taken from an earlier time, and keys that are not the
/// right ones: what they belong to is refused, never other data.
@Suite struct ManifestTests {
    private func flips(of path: String, in rig: TamperRig) throws -> [(String, MemoryStore)] {
        let name = rig.name(path)
        return try (0..<rig.files.bytes(of: name).count).map { byte in
            let files = try rig.tampered { try $0.flip(name, byte: byte, bit: byte * 3) }
            return ("bit \(byte * 3 & 7) of byte \(byte) of \(path)", files)
        }
    }

    @Test(arguments: [true, false])
    func aFlippedBitInTheDisks(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        for (what, files) in try flips(of: StoreLayout.disk(rig.lineage, rig.disk), in: rig) {
            let finding = rig.examine(files, what)
            #expect(finding.refused?.code == .damaged, "\(what)")
            #expect(finding.refused?.message.contains("disk \(rig.disk)") == true)
        }
    }

    /// Before the key is there only the way to it can be read: its damage is a refused key.
    @Test(arguments: [true, false])
    func aFlippedBitInTheLineages(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        for (what, files) in try flips(of: StoreLayout.lineageManifest(rig.lineage), in: rig) {
            let finding = rig.examine(files, what, mayRefuseKey: true)
            #expect(finding.refused != nil, "\(what)")
            #expect(finding.refused?.message.contains("lineage \(rig.lineage)") == true)
        }
    }

    @Test(arguments: [true, false])
    func aFlippedBitInTheSnapshots(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let path = StoreLayout.snapshot(rig.lineage, rig.snapshot)
        for (what, files) in try flips(of: path, in: rig) {
            let finding = rig.examine(files, what)
            let refused = finding.snapshotRefused ?? finding.refused
            #expect(refused?.code == .damaged, "\(what)")
            #expect(refused?.message.contains("snapshot \(rig.snapshot)") == true)
        }
    }

    /// `store.json` is not authenticated: an encrypted lineage's key is bound to the id in it, the
    /// rest is for people.
    @Test(arguments: [true, false])
    func aFlippedBitInTheStores(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        var isRefused = false
        for (what, files) in try flips(of: StoreLayout.store, in: rig) {
            let finding = rig.examine(files, what, mayRefuseKey: true)
            isRefused = isRefused || finding.refused != nil
        }
        #expect(isRefused)
    }

    /// A pending size is not authenticated: it may be refused, or ask for more than was meant.
    @Test(arguments: [true, false])
    func aFlippedBitInAPendingSize(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        try store.resize(rig.disk, to: UInt64(TamperRig.blocks + 1000) * 4096)
        try store.close()
        let content = try #require(rig.contents[rig.disk])
        let path = StoreLayout.pendingSize(rig.lineage, rig.disk)
        for (what, files) in try flips(of: path, in: rig) {
            do {
                let store = try rig.open(files)
                defer { try? store.close() }  // only what is read counts
                let disk = try store.attach(rig.disk)
                #expect(disk.size >= UInt64(content.count), "\(what)")
                #expect(try disk.bytes(0, content.count) == content, "\(what)")
            } catch {
                #expect((error as? DiskError)?.code == .damaged, "\(what): \(error)")
            }
        }
    }

    /// Each manifest is authentic where it was, and stands in another's place.
    @Test(arguments: [true, false])
    func exchangedManifests(encrypted: Bool) throws {
        var rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        let clone = try store.createDisk(from: rig.snapshot, size: nil, attributes: [:])
        let stranger = try store.createDisk(
            encrypted: encrypted, size: UInt64(TamperRig.blocks * 4096), attributes: [:])
        rig.contents[clone.id] = rig.frozen
        rig.contents[stranger.id] = [UInt8](repeating: 0, count: TamperRig.blocks * 4096)
        try store.close()
        #expect(rig.examine(rig.files.copy(), "untouched").isClean)
        let paths = [
            StoreLayout.disk(rig.lineage, rig.disk), StoreLayout.disk(rig.lineage, clone.id),
            StoreLayout.disk(stranger.lineage, stranger.id),
            StoreLayout.lineageManifest(rig.lineage),
            StoreLayout.lineageManifest(stranger.lineage),
            StoreLayout.snapshot(rig.lineage, rig.snapshot),
        ].map(rig.name)
        for a in paths {
            for b in paths where a != b {
                let files = try rig.tampered { files in
                    let other = try files.bytes(of: a)
                    try files.mutateFile(b) { $0 = other }
                }
                let finding = rig.examine(files, "\(a) over \(b)", mayRefuseKey: true)
                #expect(!finding.isClean, "\(a) over \(b)")
            }
        }
    }

    /// An earlier version of one manifest, all else as it is now: the log tells the rest, or
    /// contradicts it.
    @Test(arguments: [true, false])
    func manifestsOfAnEarlierTime(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        for path in [
            StoreLayout.disk(rig.lineage, rig.disk), StoreLayout.lineageManifest(rig.lineage),
        ] {
            let old = try rig.older.bytes(of: rig.name(path))
            #expect(try old != rig.files.bytes(of: rig.name(path)))
            let files = try rig.tampered { try $0.mutateFile(rig.name(path)) { $0 = old } }
            _ = rig.examine(files, "earlier \(path)")
        }
    }

    @Test(arguments: [true, false])
    func missingManifests(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let files = try rig.tampered {
            try $0.remove(rig.name(StoreLayout.lineageManifest(rig.lineage)))
        }
        #expect(rig.examine(files, "no lineage manifest").refused?.code == .damaged)
        let none = try rig.tampered { try $0.remove(rig.name(StoreLayout.store)) }
        let error = #expect(throws: DiskError.self) { try rig.open(none) }
        #expect(error?.code == .notFound)
    }

    /// A KMS that gives out some key, but not the one that was wrapped.
    private struct WrongKMS: KeyProvider {
        let base: InMemoryKMS
        var isActivated: Bool { get throws(KeyError) { try base.isActivated } }

        func generateDataKey(
            context: KeyContext, use: KeyUse
        ) throws(KeyError) -> GeneratedDataKey {
            try base.generateDataKey(context: context, use: use)
        }

        func unwrap(
            _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
        ) throws(KeyError) -> SecretBytes {
            try base.generateDataKey(context: context, use: use).takeKey()
        }

        func rewrap(
            _ wrapped: WrappedKey, context: KeyContext, use: KeyUse
        ) throws(KeyError) -> WrappedKey {
            try base.rewrap(wrapped, context: context, use: use)
        }

        func describe(use: KeyUse) throws(KeyError) -> KeyDescription? {
            try base.describe(use: use)
        }

        func note(_ use: KeyUse) throws(KeyError) { try base.note(use) }
    }

    @Test func theWrongDataKeyIsRefused() throws {
        let rig = try TamperRig(encrypted: true)
        for keys in [WrongKMS(base: rig.keys), InMemoryKMS()] as [any KeyProvider] {
            let store = try rig.open(rig.files, keys: keys)
            let error = #expect(throws: DiskError.self) { try store.attach(rig.disk) }
            #expect(error?.code == .keyRefused)
            #expect(store.attached(rig.disk) == nil)
            try store.close()
        }
        #expect(rig.examine(rig.files.copy(), "with the right key again").isClean)
    }
}
