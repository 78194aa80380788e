import ChunkStore
import DiskFormat
import KeyManagement
import Synchronization
import Testing

@testable import DiskEngine

/// What is wrong with a store at rest is found, named, and told with what to do; and nothing else.
@Suite struct CheckTests {
    private let rig: TamperRig
    private let survey: TamperSurvey

    init() throws {
        rig = try TamperRig(encrypted: true)
        survey = try TamperSurvey(rig)
    }

    private func check(
        _ files: MemoryStore, by keys: (any KeyProvider)? = nil, _ rig: TamperRig? = nil
    ) throws -> CheckReport {
        let rig = rig ?? self.rig
        return try StoreCheck(
            files, survey: files, keys: keys ?? rig.keys, limits: Harness.smallLimits
        ).run()
    }

    /// Checks a copy that was damaged, and then the same with the file put back.
    private func findings(
        damaging name: ObjectName, _ damage: (MemoryStore) throws -> Void
    ) throws -> [CheckFinding] {
        let files = try rig.tampered(damage)
        let before = try contents(files)
        let report = try check(files)
        #expect(try contents(files) == before)
        #expect(report.findings.allSatisfy { !$0.advice.isEmpty })
        let kept = try rig.files.readObject(name, limit: 1 << 30)
        try files.replaceObject(name, with: kept)
        #expect(try check(files).findings == [])
        return report.findings
    }

    private func contents(_ files: MemoryStore) throws -> [String: [UInt8]] {
        var all: [String: [UInt8]] = [:]
        for name in files.names { all[name] = try files.bytes(of: rig.name(name)) }
        return all
    }

    /// Slots that the disk's data lies in, and whether the snapshot has them, too.
    private func liveSlot(inSnapshot: Bool) throws -> (BlockAddress, block: Int) {
        let block = inSnapshot ? 5 : 130
        let found = try #require(survey.live.first { $0.value == block })
        return (found.key, block)
    }

    @Test(arguments: [true, false]) func whatIsWholeIsClean(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let before = try contents(rig.files)
        let report = try check(rig.files, rig)
        #expect(report.findings == [] && report.unverified == [])
        #expect(report.disks.count == 1 && report.snapshots.count == 1 && report.chunks > 3)
        // Blocks 0 to 99 of the snapshot; of the disk 30 to 89 and 120 to 199, written anew.
        #expect(report.verifiedBytes == (100 + 60 + 80) * 4096)
        #expect(try contents(rig.files) == before)
    }

    /// A log that was not closed is read to its end; what it holds is no damage, nor is anything
    /// changed to find out.
    @Test func aKilledDisksLogIsRead() throws {
        let harness = try Harness()
        let disk = try harness.disk(1 << 20)
        try disk.put(pattern(64 * 4096, seed: 1), at: 0)
        _ = try disk.checkpoint()
        let old = try disk.reader.address(ofBlock: 3)
        try disk.put(pattern(8 * 4096, seed: 2), at: 0)
        try disk.discard(at: 9 * 4096, length: 4096)
        try disk.flush()
        // What comes behind a flush proves that what was before it was durable.
        try disk.put(pattern(4096, seed: 3), at: 20 * 4096)
        let new = try disk.reader.address(ofBlock: 3)
        let (lineage, layout) = (disk.lineage.id, disk.layout)
        let files = harness.files.copy()
        try harness.store.close()
        func check() throws -> CheckReport {
            try StoreCheck(
                files, survey: files, keys: harness.keys, limits: Harness.smallLimits
            ).run()
        }
        func flip(_ slot: BlockAddress) throws {
            try files.flip(
                harness.file(StoreLayout.chunk(lineage, slot.chunk)),
                byte: Int(layout.bodyOffset(of: slot.slot)) + 9)
        }
        #expect(try check().findings == [])
        // The log has written it anew: the disk does not read it any more.
        try flip(old)
        #expect(try check().findings == [])
        try flip(old)
        // In the log, below what is known durable: the disk cannot be attached.
        try flip(new)
        let found = try check().findings
        #expect(found.map(\.kind) == [.log] && found.first?.severity == .damage)
        #expect(found.first?.file == StoreLayout.chunk(lineage, new.chunk))
        #expect(found.first?.disk == disk.id && found.first?.length == 1 << 20)
    }

    @Test(arguments: [true, false], ["body", "entry"])
    func aDamagedBlockIsTold(inSnapshot: Bool, place: String) throws {
        let (slot, block) = try liveSlot(inSnapshot: inSnapshot)
        let name = rig.chunkName(slot.chunk)
        let byte = place == "body" ? survey.body(slot).lowerBound : survey.entry(slot).lowerBound
        let found = try findings(damaging: name) { try $0.flip(name, byte: byte + 5) }
        #expect(found.count == 1)
        let finding = try #require(found.first)
        #expect(finding.kind == .data && finding.severity == .damage)
        #expect(finding.offset == UInt64(block * 4096) && finding.length == 4096)
        #expect(finding.file == name.path && finding.advice.contains(name.path))
        #expect(finding.snapshot == (inSnapshot ? rig.snapshot : nil))
        #expect(finding.disk == (inSnapshot ? nil : rig.disk))
        #expect(finding.disks == (inSnapshot ? [rig.disk] : []))
        #expect(finding.advice.contains("--snapshot \(rig.snapshot)") == !inSnapshot)
        // Around it everything reads.
        let files = try rig.tampered { try $0.flip(name, byte: byte + 5) }
        let read = rig.examine(files, "one block")
        #expect(read.damaged[rig.disk].map { Array($0.keys) } == [block])
    }

    @Test func aDamagedMapPageIsTold() throws {
        let manifest = try snapshotManifest()
        let root = manifest.state.root
        let name = rig.chunkName(root.chunk)
        let found = try findings(damaging: name) {
            try $0.flip(name, byte: survey.body(root).lowerBound)
        }
        let finding = try #require(found.first)
        #expect(finding.kind == .map && finding.snapshot == rig.snapshot)
        #expect(finding.offset == 0 && finding.length == UInt64(TamperRig.blocks * 4096))
        // It is the root of the older checkpoint as well, if of anything.
        #expect(found.dropFirst().allSatisfy { $0.kind == .checkpoint && $0.severity == .warning })
    }

    private func snapshotManifest() throws -> SnapshotManifest {
        let path = StoreLayout.snapshot(rig.lineage, rig.snapshot)
        return try UnopenedManifest(bytes: rig.files.bytes(of: rig.name(path)))
            .unverifiedSnapshot(rig.snapshot)
    }

    /// A chunk that blocks of the disk lie in, damaged as a whole.
    @Test(arguments: ["header", "missing", "truncated", "swapped"])
    func aDamagedChunkIsTold(how: String) throws {
        let (slot, _) = try liveSlot(inSnapshot: true)
        let name = rig.chunkName(slot.chunk)
        let other = rig.chunkName(try #require(survey.chunks.first { $0 != slot.chunk }))
        let files = rig.files.copy()
        switch how {
        case "header": try files.flip(name, byte: 60)
        case "missing": try files.remove(name)
        case "truncated": try files.mutateFile(name) { $0.removeLast($0.count / 2) }
        default:
            let (a, b) = (try files.bytes(of: name), try files.bytes(of: other))
            try files.replaceObject(name, with: b)
            try files.replaceObject(other, with: a)
        }
        let report = try check(files)
        let damaged = how == "swapped" ? [name.path, other.path] : [name.path]
        #expect(Set(report.findings.map(\.file)) == Set(damaged))
        let data = report.findings.filter { $0.kind == .data && $0.file == name.path }
        #expect(!data.isEmpty && data.allSatisfy { $0.severity == .damage })
        if how == "truncated" {
            #expect(data.allSatisfy { $0.cause.contains("bytes instead of") })
        }
        for name in [name, other] {
            try files.replaceObject(name, with: rig.files.bytes(of: name))
        }
        #expect(try check(files).findings == [])
    }

    @Test(arguments: ["flipped", "truncated"]) func aDamagedManifestIsTold(how: String) throws {
        let paths = [
            StoreLayout.disk(rig.lineage, rig.disk),
            StoreLayout.snapshot(rig.lineage, rig.snapshot),
            StoreLayout.lineageManifest(rig.lineage),
        ]
        for path in paths {
            let name = rig.name(path)
            let found = try findings(damaging: name) { files in
                try files.mutateFile(name) {
                    if how == "flipped" { $0[$0.count - 90] ^= 1 } else { $0.removeLast(99) }
                }
            }
            #expect(found.map(\.file) == [path] && found.map(\.kind) == [.manifest])
            #expect(found.first?.severity == .damage)
            #expect(found.first?.disk == (path == paths[0] ? rig.disk : nil))
            #expect(found.first?.snapshot == (path == paths[1] ? rig.snapshot : nil))
            #expect(found.first?.disks == (path == paths[2] ? [rig.disk] : []))
        }
    }

    @Test func aMissingLineageManifestIsTold() throws {
        let name = rig.name(StoreLayout.lineageManifest(rig.lineage))
        let found = try findings(damaging: name) { try $0.remove(name) }
        #expect(found.map(\.file) == [name.path] && found.map(\.kind) == [.manifest])
    }

    @Test func aDamagedAccountRecordIsTold() throws {
        let files = rig.files.copy()
        let name = rig.name(StoreLayout.account)
        let storeID = try Store.identity(of: files).storeID
        try files.replaceObject(name, with: AccountRecord(store: storeID).encoded())
        #expect(try check(files).findings == [])
        try files.replaceObject(name, with: AccountRecord(store: "another").encoded())
        let finding = try #require(try check(files).findings.first)
        #expect(finding.severity == .damage && finding.file == StoreLayout.account)
        #expect(finding.advice.contains("remove it"))
    }

    @Test func aMissingDiskIsTold() throws {
        let name = rig.name(StoreLayout.disk(rig.lineage, rig.disk))
        let found = try findings(damaging: name) { try $0.remove(name) }
        #expect(found.map(\.file) == [name.path] && found.map(\.kind) == [.manifest])
        #expect(found.first?.severity == .warning && found.first?.disk == rig.disk)
    }

    /// A disk that was deleted is not missing, before its space is given back and after.
    @Test func aDeletedDiskIsNotMissing() throws {
        let files = rig.files.copy()
        for isPlain in [false, true] {
            let rig = try TamperRig(encrypted: !isPlain)
            let store = try rig.open(rig.files)
            try store.deleteDisk(rig.disk)
            store.reclaimer.waitUntilIdle()
            try store.close()
            #expect(try check(rig.files, rig).findings == [])
        }
        #expect(try check(files).findings == [])
    }

    @Test(arguments: ["newest", "older"], [true, false])
    func oneDamagedCheckpointIsAWarning(which: String, isUnreadable: Bool) throws {
        let slot = which == "newest" ? survey.newest.slot : survey.older.slot
        let name = rig.chunkName(slot.chunk)
        let body = survey.body(slot)
        let found: [CheckFinding]
        if isUnreadable {
            let memory = rig.files.copy()
            let files = FaultyStore(memory)
            files.arm(
                Fault(
                    [.read], prefix: name.path, isLasting: true,
                    bytes: UInt64(body.lowerBound)..<UInt64(body.upperBound)))
            found = try StoreCheck(
                files, survey: memory, keys: rig.keys, limits: Harness.smallLimits
            ).run().findings
        } else {
            found = try findings(damaging: name) { try $0.flip(name, byte: body.lowerBound) }
        }
        #expect(found.map(\.kind) == [.checkpoint] && found.map(\.severity) == [.warning])
        #expect(found.first?.file == name.path && found.first?.disk == rig.disk)
        #expect(found.first?.cause.contains("its \(which) checkpoint") == true)
    }

    @Test func twoDamagedCheckpointsAreDamage() throws {
        let slots = [survey.newest.slot, survey.older.slot]
        let files = try rig.tampered {
            for slot in slots {
                try $0.flip(rig.chunkName(slot.chunk), byte: survey.body(slot).lowerBound)
            }
        }
        let found = try check(files).findings
        #expect(found.map(\.kind) == [.checkpoint, .checkpoint])
        #expect(found.allSatisfy { $0.severity == .damage && $0.length > 0 })
        #expect(found.map(\.file) == slots.map { rig.chunkName($0.chunk).path })
        #expect(found.allSatisfy { $0.advice.contains("--snapshot \(rig.snapshot)") })
    }

    @Test func whatDoesNotBelongIsTold() throws {
        let stray = StoreLayout.chunk(rig.lineage, ChunkNumber(lane: 1, sequence: 60_000))
        let files = try rig.tampered {
            try $0.replaceObject(rig.name(stray), with: [1, 2, 3])
            try $0.replaceObject(rig.name("notes.txt"), with: [1])
            try $0.replaceObject(rig.name("lineages/rubbish"), with: [1])
        }
        let report = try check(files)
        #expect(Set(report.findings.map(\.file)) == [stray, "notes.txt", "lineages/rubbish"])
        #expect(report.findings.allSatisfy { $0.kind == .stray && $0.severity == .note })
        #expect(!report.isDamaged)
    }

    /// Without the key what it needs is told as not verified; the rest is looked at.
    @Test func withoutAKeyTheStructureIsLookedAt() throws {
        let stranger = InMemoryKMS()
        let whole = try check(rig.files, by: stranger)
        #expect(whole.findings == [] && whole.verifiedBytes == 0)
        #expect(whole.unverified.map(\.disks) == [[rig.disk]])
        #expect(whole.unverified.map(\.snapshots) == [[rig.snapshot]])
        #expect(whole.chunks == survey.chunks.count)

        let chunk = survey.newest.slot.chunk
        let name = rig.chunkName(chunk)
        let damages: [(MemoryStore) throws -> Void] = [
            { try $0.flip(name, byte: 3) }, { try $0.flip(name, byte: 60) },
            { try $0.mutateFile(name) { $0.removeLast(4096) } },
        ]
        for damage in damages {
            let found = try check(rig.tampered(damage), by: stranger).findings
            #expect(found.map(\.file) == [name.path] && found.map(\.kind) == [.chunk])
        }
        let missing = try check(rig.tampered { try $0.remove(name) }, by: stranger).findings
        #expect(Set(missing.map(\.file)) == [name.path])
        #expect(missing.contains { $0.disk == rig.disk && $0.cause.contains("missing") })
    }

    @Test func aStoreInUseIsRefused() throws {
        let files = rig.files.copy()
        let store = try rig.open(files)
        #expect(diskErrorCode { _ = try check(files) } == .storeLocked)
        try store.close()
        #expect(try check(files).findings == [])
    }

    /// Wherever it is interrupted, that is what it says, and never damage.
    @Test func itCanBeInterruptedAnywhere() throws {
        final class Counter: Sendable { let value = Atomic<Int>(0) }
        let all = Counter()
        _ = try StoreCheck(
            rig.files, survey: rig.files, keys: rig.keys, limits: Harness.smallLimits,
            onRead: { _ in
                all.value.wrappingAdd(1, ordering: .relaxed)
                return true
            }
        ).run()
        let count = all.value.load(ordering: .relaxed)
        #expect(count > 20)
        for stop in 1...count {
            let reads = Counter()
            let check = StoreCheck(
                rig.files, survey: rig.files, keys: rig.keys, limits: Harness.smallLimits,
                onRead: { _ in reads.value.wrappingAdd(1, ordering: .relaxed).newValue < stop })
            #expect(throws: CheckInterrupted.self) { try check.run() }
        }
    }
}
