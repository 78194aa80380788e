import ChunkStore
import CryptoPrimitives
import DiskFormat
import Testing

@testable import DiskEngine

@Suite struct AnchorTests {
    let first = pattern(40 * 4096, seed: 1)
    let second = pattern(40 * 4096, seed: 2)

    @Test(arguments: [true, false])
    func aStoreThatWasPutBackIsRefusedUntilAccepted(encrypted: Bool) throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk(encrypted: encrypted)
        try rig.session(id) { try $0.put(first, at: 0) }
        let old = rig.files.copy()
        try rig.session(id) { try $0.put(second, at: 0) }
        rig.files = old
        try rig.expectAcceptance(of: id, "of its manifest", as: first)
    }

    @Test func aRefusedStoreIsNotWritten() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        try rig.session(id) { try $0.put(first, at: 0) }
        let old = rig.files.copy()
        try rig.session(id) { try $0.put(second, at: 0) }
        let watched = FaultyStore(old)
        let store = try rig.open(watched)
        let before = watched.count(of: [.write, .replaceObject, .createFile, .remove])
        #expect(throws: DiskError.self) { try store.attach(id) }
        #expect(watched.count(of: [.write, .replaceObject, .createFile, .remove]) == before)
        try store.close()
    }

    @Test func oneLineageThatWasPutBackIsRefusedAndTheOtherIsNot() throws {
        let rig = try AnchorRig()
        let (a, b) = (try rig.makeDisk(), try rig.makeDisk())
        for id in [a, b] { try rig.session(id) { try $0.put(first, at: 0) } }
        let old = rig.files.copy()
        for id in [a, b] { try rig.session(id) { try $0.put(second, at: 0) } }
        let store = try rig.open()
        let lineage = try store.disk(a).lineage
        try store.close()
        try rig.putBack(from: old) { $0.hasPrefix("lineages/\(lineage)/") }
        try rig.expectContent(of: b, second)
        try rig.expectAcceptance(of: a, "lineage \(lineage) was at version", as: first)
    }

    /// Within one session: the lineage's manifest stays as it is, the disk's and its log go back.
    @Test func oneDiskThatWasPutBackWithinItsSessionIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let store = try rig.open()
        let disk = try store.attach(id)
        try disk.put(first, at: 0)
        try disk.checkpoint()
        let old = rig.files.copy()
        try disk.put(second, at: 0)
        try store.close()
        rig.files = old
        try rig.expectAcceptance(of: id, "disk \(id) was at version", as: first)
    }

    /// The disk's manifest as it was at the detach, its log cut below: nothing in the store says
    /// where it ended, if the manifest is put back too.
    @Test func aLogCutBelowACleanDetachIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        try rig.session(id) { try $0.put(first, at: 0) }
        let store = try rig.open()
        let disk = try store.attach(id)
        try disk.put(second, at: 0)
        try disk.flush()
        let old = rig.files.copy()
        try disk.put(pattern(4096, seed: 3), at: 0)
        try store.close()
        rig.files = old
        try rig.expectRefusal(id, "disk \(id) was at version")
    }

    /// After a crash only the log tells of what was flushed; the anchor followed a second later.
    @Test func aLogCutBelowAFlushIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let store = try rig.open()
        let disk = try store.attach(id)
        try disk.put(first, at: 0)
        try disk.flush()
        let old = rig.files.copy()
        try disk.put(second, at: 0)
        try disk.flush()
        try store.recordFreshness()
        let crashed = rig.files.copy()
        let known = rig.anchor.bytes
        try store.close()
        rig.anchor = InMemoryAnchor(known)
        rig.files = crashed
        try rig.expectContent(of: id, second)
        rig.anchor = InMemoryAnchor(known)
        rig.files = old
        try rig.expectAcceptance(of: id, "the log of disk \(id) was durable up to", as: first)
    }

    /// Without a moment for the anchor to follow, and with `strict` even so.
    @Test(arguments: [false, true])
    func onlyAStrictAnchorKnowsOfTheLastFlush(strict: Bool) throws {
        let rig = try AnchorRig(strict: strict)
        let id = try rig.makeDisk()
        let store = try rig.open()
        let disk = try store.attach(id)
        try disk.put(first, at: 0)
        try disk.flush()
        try store.recordFreshness()
        let old = rig.files.copy()
        try disk.put(second, at: 0)
        try disk.flush()
        let known = rig.anchor.bytes
        try store.close()
        rig.anchor = InMemoryAnchor(known)
        rig.files = old
        guard strict else {
            return try rig.expectContent(of: id, first)
        }
        try rig.expectRefusal(id, "was durable up to")
    }

    @Test func aStrictFlushFailsWithItsAnchorAndGoesOnWithIt() throws {
        let rig = try AnchorRig(strict: true)
        let id = try rig.makeDisk()
        let store = try rig.open()
        let disk = try store.attach(id)
        try disk.put(first, at: 0)
        rig.anchor.fail(with: DiskError(.noSpace, "no room"))
        let error = #expect(throws: DiskError.self) { try disk.flush() }
        #expect(error?.code == .io && error?.message.contains("no room") == true)
        #expect(store.freshnessStatus.failure != nil)
        rig.anchor.fail(with: nil)
        try disk.flush()
        #expect(store.freshnessStatus.failure == nil)
        try store.close()
    }

    @Test func aCleanDetachSaysSoIfTheAnchorDidNotFollow() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let store = try rig.open()
        try store.attach(id).put(first, at: 0)
        rig.anchor.fail(with: DiskError(.noSpace, "no room"))
        #expect(throws: DiskError.self) { try store.detach(id) }
        #expect(store.attached(id) == nil)
        #expect(throws: DiskError.self) { try store.attach(id) }
        rig.anchor.fail(with: nil)
        #expect(try store.attach(id).bytes(0, first.count) == first)
        try store.close()
    }

    // MARK: Exchange

    /// A plain disk of another lineage under an encrypted one's id.
    @Test func aPlainDiskInPlaceOfAnEncryptedOneIsRefusedForGood() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        try rig.session(id) { try $0.put(first, at: 0) }
        let real = rig.files.copy()
        let store = try rig.open(real)
        let own = try store.disk(id).lineage
        try store.close()
        try rig.plant(id, inPlaceOf: own)
        let opened = try rig.open()
        #expect(try opened.disk(id).isEncrypted == false)
        for accepts in [false, true] {
            let error = #expect(throws: DiskError.self) {
                try opened.attach(id, acceptingRollback: accepts)
            }
            #expect(error?.code == .rolledBack)
            #expect(error?.message.contains("was encrypted of lineage \(own)") == true)
        }
        #expect(rig.keys.usage()["AcceptRollback"] == nil)
        try opened.close()
        rig.files = real
        try rig.expectContent(of: id, first)
    }

    /// The same lineage, with a manifest that says that it is plain.
    @Test func aLineageWhoseSuiteChangedIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let store = try rig.open()
        let lineage = try store.disk(id).lineage
        try store.close()
        let keys = try LineageKeys.plain(lineage)
        let manifest = LineageManifest(
            key: .init(
                suite: .plain, epoch: 0, keyID: nil, wrappedKey: nil,
                keyCheck: HexBytes(keys.keyCheck)), created: 0)
        try rig.files.replaceObject(
            ObjectName(StoreLayout.lineageManifest(lineage))!,
            with: manifest.sealed(version: 9, with: keys).bytes)
        try rig.expectRefusal(id, "lineage \(lineage) was encrypted, and is plain now")
    }

    // MARK: Deletion

    @Test func aDeletedDiskThatIsThereAgainIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        try rig.session(id) { try $0.put(first, at: 0) }
        let store = try rig.open()
        let snapshot = try store.createSnapshot(of: id, attributes: [:]).id
        let lineage = try store.disk(id).lineage
        let old = rig.files.copy()
        try store.deleteDisk(id)
        try store.close()
        let path = StoreLayout.disk(lineage, id)
        try rig.putBack(from: old) { $0 == path }
        try rig.expectAcceptance(of: id, "disk \(id) was deleted", as: first)
        _ = snapshot
    }

    @Test func aDeletedLineageThatIsThereAgainIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        try rig.session(id) { try $0.put(first, at: 0) }
        let old = rig.files.copy()
        let store = try rig.open()
        try store.deleteDisk(id)
        try store.close()
        rig.files = old
        try rig.expectAcceptance(of: id, "was deleted, and is there again", as: first)
    }

    @Test func aDeletedSnapshotThatIsThereAgainIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let store = try rig.open()
        try store.attach(id).put(first, at: 0)
        let snapshot = try store.createSnapshot(of: id, attributes: [:]).id
        let lineage = try store.disk(id).lineage
        let old = rig.files.copy()
        try store.deleteSnapshot(snapshot)
        try store.close()
        try rig.putBack(from: old) { $0 == StoreLayout.snapshot(lineage, snapshot) }
        let again = try rig.open()
        _ = try again.attach(id)
        let error = #expect(throws: DiskError.self) { try again.openSnapshot(snapshot) }
        #expect(error?.code == .rolledBack)
        try again.detach(id)
        _ = try again.attach(id, acceptingRollback: true)
        #expect(rig.keys.usage()["AcceptRollback"] == 1)
        let reader = try again.openSnapshot(snapshot)
        reader.close()
        try again.close()
    }

    // MARK: Forks

    /// A copy of the store went on elsewhere, further than this one.
    @Test func aCopyThatWentOnElsewhereIsRefused() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let fork = rig.files.copy()
        let here = rig.anchor.bytes
        try rig.session(id) { try $0.put(first, at: 0) }
        let known = rig.anchor.bytes
        rig.anchor = InMemoryAnchor(here)
        rig.files = fork
        try rig.session(id) { try $0.put(second + first, at: 0) }
        rig.anchor = InMemoryAnchor(known)
        try rig.expectRefusal(id, "is another than it was")
    }

    // MARK: The anchor itself

    @Test func withoutAnAnchorNothingIsRefused() throws {
        let harness = try Harness()
        #expect(harness.store.freshnessStatus.kind == .unanchored)
        let id = try harness.disk().id
        let old = harness.files.copy()
        try harness.store.close()
        let store = try Store(opening: old, keys: harness.keys, holder: "t")
        _ = try store.attach(id)
        try store.recordFreshness()
        try store.close()
    }

    @Test func anAnchorOnFirstUseTrustsWhatIsThere() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        rig.anchor = InMemoryAnchor()
        let store = try rig.open()
        #expect(store.freshnessStatus.isFirstUse && store.freshnessStatus.kind == .anchored)
        _ = try store.attach(id)
        #expect(rig.anchor.bytes != nil)  // known from here on, not from the detach
        try store.close()
        let again = try rig.open()
        #expect(!again.freshnessStatus.isFirstUse)
        try again.close()
    }

    @Test func aDamagedAnchorIsRefusedWithTheWayOut() throws {
        let rig = try AnchorRig()
        _ = try rig.makeDisk()
        let bytes = try #require(rig.anchor.bytes)
        for index in stride(from: 0, to: bytes.count, by: 7) {
            var damaged = bytes
            damaged[index] ^= 1
            rig.anchor = InMemoryAnchor(damaged)
            let error = #expect(throws: DiskError.self) { try rig.open() }
            #expect(error?.code == .damaged)
            #expect(error?.message.contains("remove the anchor") == true)
        }
        for length in [0, 1, bytes.count / 2, bytes.count - 1] {
            rig.anchor = InMemoryAnchor(Array(bytes.prefix(length)))
            #expect(throws: DiskError.self) { try rig.open() }
        }
        rig.anchor = InMemoryAnchor(bytes)
        try rig.open().close()
    }

    @Test func theAnchorOfAnotherStoreIsRefused() throws {
        let (rig, other) = (try AnchorRig(), try AnchorRig())
        _ = try rig.makeDisk()
        other.anchor = rig.anchor
        let error = #expect(throws: DiskError.self) { try other.open() }
        #expect(error?.code == .invalid)
    }

    @Test func anAnchorIsNotWrittenWithoutNews() throws {
        let rig = try AnchorRig()
        let id = try rig.makeDisk()
        let store = try rig.open()
        let disk = try store.attach(id)
        try disk.put(first, at: 0)
        try disk.flush()
        try store.recordFreshness()
        let records = rig.anchor.records
        for _ in 0..<10 { try store.recordFreshness() }
        for _ in 0..<10 { try disk.flush() }
        #expect(rig.anchor.records == records)
        try store.close()
    }
}
