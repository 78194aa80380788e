import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// What an attach stands on: the newest checkpoint, the older one, and the log behind it.
@Suite struct TamperCheckpointTests {
    private func damage(_ slot: BlockAddress, _ rig: TamperRig, _ survey: TamperSurvey)
        throws -> MemoryStore
    {
        try rig.tampered {
            try $0.flip(rig.chunkName(slot.chunk), byte: survey.body(slot).lowerBound + 20)
        }
    }

    /// The older checkpoint and the log behind it give the same disk, which goes on from there.
    @Test(arguments: [true, false], ["slot", "root"])
    func theOlderCheckpointStandsIn(encrypted: Bool, what: String) throws {
        var rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let target = what == "slot" ? survey.newest.slot : survey.newest.state.root
        let files = try damage(target, rig, survey)
        #expect(rig.examine(files, "damaged \(what)").isClean)
        let store = try rig.open(files)
        let bytes = pattern(8192, seed: 77)
        try store.attach(rig.disk).put(bytes, at: 4096)
        try store.close()
        rig.contents[rig.disk]!.replaceSubrange(4096..<4096 + 8192, with: bytes)
        #expect(rig.examine(files, "written to after a damaged \(what)").isClean)
    }

    @Test(arguments: [true, false])
    func withoutAnyCheckpointTheAttachIsRefused(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let files = try damage(survey.newest.slot, rig, survey)
        let older = survey.older.slot
        try files.flip(rig.chunkName(older.chunk), byte: survey.body(older).lowerBound)
        let finding = rig.examine(files, "both checkpoints damaged")
        #expect(finding.refused?.code == .damaged)
    }

    /// The older checkpoint may stand in only if the log behind it reaches the newer one: else the
    /// disk would silently be an old one.
    @Test(arguments: [true, false], ["deleted", "blank", "cut off"])
    func anOldStateIsNeverTakenForTheNewest(encrypted: Bool, how: String) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let last = rig.chunkName(survey.newest.slot.chunk)
        #expect(survey.older.slot.chunk < survey.newest.slot.chunk)
        let files = try rig.tampered {
            switch how {
            case "deleted": try $0.remove(last)
            case "blank": try $0.mutateFile(last) { $0 = Array(repeating: 0, count: $0.count) }
            default: try $0.mutateFile(last) { $0 = [] }
            }
        }
        let finding = rig.examine(files, "newest checkpoint's chunk \(how)")
        #expect(finding.refused?.code == .damaged)
    }

    /// The same when the log lost only a slot below the newest checkpoint, and that one as well.
    @Test(arguments: [true, false])
    func aGapBelowTheNewestCheckpointIsDamage(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let newest = survey.newest.slot
        for slot in survey.slots where slot.address.chunk == newest.chunk {
            guard slot.address != newest else { break }
            let files = try damage(newest, rig, survey)
            try files.flip(
                rig.chunkName(newest.chunk), byte: survey.entry(slot.address).lowerBound)
            let finding = rig.examine(files, "gap at \(slot.address)")
            if slot.address != survey.newest.state.root {
                #expect(finding.refused?.code == .damaged, "gap at \(slot.address)")
            }
        }
    }

    /// A rollback exists only in its checkpoint: without it, the disk before it must not come back.
    @Test(arguments: [true, false], ["slot", "root"])
    func aRollbackIsNotUndone(encrypted: Bool, what: String) throws {
        var rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        try store.reset(rig.disk, to: rig.snapshot)
        try store.close()
        rig.contents[rig.disk] = rig.frozen
        #expect(rig.examine(rig.files.copy(), "rolled back").isClean)
        let survey = try TamperSurvey(rig)
        let target = what == "slot" ? survey.newest.slot : survey.newest.state.root
        _ = rig.examine(try damage(target, rig, survey), "rolled back, \(what) damaged")
    }

    /// A size exists only in its checkpoint too.
    @Test(arguments: [true, false])
    func aResizeIsNotUndone(encrypted: Bool) throws {
        var rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        let disk = try store.attach(rig.disk)
        let size = TamperRig.blocks * 4096
        try store.resize(rig.disk, to: UInt64(2 * size))
        let bytes = pattern(size, seed: 12)
        try disk.put(bytes, at: UInt64(size))
        try disk.flush()
        rig.contents[rig.disk]! += bytes
        // Killed: the resize's checkpoint stays the newest, and the log goes on behind it.
        let killed = rig.files.copy()
        let newest = disk.manifest.checkpoints[0].slot
        try store.close()
        #expect(rig.examine(killed.copy(), "killed after a resize").isClean)
        let layout = try #require(ChunkLayout(slotCount: 64))
        try killed.flip(
            rig.chunkName(newest.chunk), byte: Int(layout.bodyOffset(of: newest.slot)))
        _ = rig.examine(killed, "killed after a resize, its checkpoint damaged")
    }
}
