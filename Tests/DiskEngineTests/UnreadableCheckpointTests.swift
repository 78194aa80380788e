import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// A medium that does not give the newest checkpoint.
@Suite struct UnreadableCheckpointTests {
    private func fault(_ survey: TamperSurvey, _ rig: TamperRig, _ slot: BlockAddress) -> Fault {
        let body = survey.body(slot)
        return Fault(
            [.read], prefix: rig.chunkName(slot.chunk).path, isLasting: true,
            bytes: UInt64(body.lowerBound)..<UInt64(body.upperBound))
    }

    private func open(_ files: FaultyStore, _ rig: TamperRig) throws -> Store {
        try Store(opening: files, keys: rig.keys, holder: "t", limits: Harness.smallLimits)
    }

    /// The older one and the log behind it give the same disk, which goes on from there.
    @Test(arguments: [true, false], ["slot", "root"])
    func theOlderOneStandsIn(encrypted: Bool, what: String) throws {
        var rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let target = what == "slot" ? survey.newest.slot : survey.newest.state.root
        let memory = rig.files.copy()
        let files = FaultyStore(memory)
        files.arm(fault(survey, rig, target))
        let store = try open(files, rig)
        let disk = try store.attach(rig.disk)
        #expect(try disk.bytes() == rig.contents[rig.disk])
        let bytes = pattern(8192, seed: 77)
        try disk.put(bytes, at: 4096)
        try store.close()
        rig.contents[rig.disk]!.replaceSubrange(4096..<4096 + 8192, with: bytes)
        #expect(rig.examine(memory, "a \(what) that was not read").isClean)
    }

    /// Only those two slots are done without: any other that the medium does not give may be data.
    @Test(arguments: [true, false]) func noOtherSlotIsDoneWithout(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let own = [survey.newest.slot, survey.newest.state.root]
        let start = BlockAddress(
            chunk: survey.older.replayFrom.chunk, slot: survey.older.replayFrom.slot)
        let others = survey.slots.map(\.address).filter {
            start.rawValue <= $0.rawValue && !own.contains($0)
        }
        #expect(others.count > 10)
        for other in others {
            let files = FaultyStore(rig.files.copy())
            files.arm(fault(survey, rig, survey.newest.slot))
            files.arm(fault(survey, rig, other))
            let store = try open(files, rig)
            #expect(diskErrorCode { try store.attach(rig.disk) } == .io)
            files.disarm()
            #expect(try store.attach(rig.disk).bytes() == rig.contents[rig.disk])
            try store.close()
        }
    }

    /// A log that ends before the checkpoint which cannot be read would give an old disk.
    @Test(arguments: [true, false]) func anOldDiskIsNeverGiven(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let newest = survey.newest.slot
        for slot in survey.slots.map(\.address) where slot.chunk == newest.chunk && slot != newest {
            let memory = try rig.tampered {
                try $0.flip(rig.chunkName(slot.chunk), byte: survey.body(slot).lowerBound)
            }
            let files = FaultyStore(memory)
            files.arm(fault(survey, rig, newest))
            let store = try open(files, rig)
            do {
                #expect(try store.attach(rig.disk).bytes() == rig.contents[rig.disk])
            } catch {
                #expect([.damaged, .io].contains((error as? DiskError)?.code))
            }
            try? store.close()
        }
    }

    /// With neither there is nothing to begin with; it may be there tomorrow.
    @Test func withNeitherTheAttachFailsForNow() throws {
        let rig = try TamperRig(encrypted: true)
        let survey = try TamperSurvey(rig)
        let files = FaultyStore(rig.files.copy())
        files.arm(fault(survey, rig, survey.newest.slot))
        files.arm(fault(survey, rig, survey.older.slot))
        let store = try open(files, rig)
        #expect(diskErrorCode { try store.attach(rig.disk) } == .io)
        files.disarm()
        #expect(try store.attach(rig.disk).bytes() == rig.contents[rig.disk])
        try store.close()
    }
}
