import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// A copy is the store, by every byte, and what is none is left alone.
@Suite struct StoreCopyTests {
    private let rig: CopyRig

    init() throws { rig = try CopyRig() }

    @Test func aCopyIsTheSameStore() throws {
        let (before, target) = (try CopyRig.contents(rig.files), MemoryStore())
        var last: [CopyProgress] = []
        let report = try rig.copy(to: target) { progress in
            if last.last?.stage == progress.stage { last.removeLast() }
            last.append(progress)
            return true
        }
        try rig.expectWhole(target)
        #expect(try CopyRig.contents(rig.files) == before)
        #expect(report.files == before.count && report.removedFiles == 0 && !report.wasWhole)
        #expect(report.bytes == before.values.reduce(0) { $0 + UInt64($1.count) })
        #expect(report.writtenBytes > 50 * 4096 && report.writtenBytes < report.bytes)
        #expect(report.storeID == (try Store.identity(of: target).storeID))
        #expect(last.map(\.stage) == [.copying, .verifying])
        #expect(last.allSatisfy { $0.done == $0.all && $0.all > 0 })
        // With its keys it is used as any.
        let checked = try StoreCheck(
            target, survey: target, keys: rig.keys, limits: Harness.smallLimits
        ).run()
        #expect(checked.findings == [] && checked.unverified == [])
        let store = try rig.open(target)
        #expect(try store.attach(rig.disk).bytes() == rig.content)
        try store.close()
    }

    @Test func holesStayHoles() throws {
        let target = MemoryStore()
        try rig.copy(to: target)
        let unfinished = try rig.unfinished()
        for path in target.names where path.hasSuffix(".chunk") {
            // First of all: reading all of a file in memory gives it all its space.
            let size = try target.openFile(CopyRig.name(path)).size()
            let bytes = try target.bytes(of: CopyRig.name(path))
            let used = stride(from: 0, to: bytes.count, by: 4096).count { start in
                bytes[start..<min(start + 4096, bytes.count)].contains { $0 != 0 }
            }
            #expect(size.length == UInt64(bytes.count))
            #expect(size.allocated == UInt64(used * 4096), "\(path)")
            // Space that a killed run took and had not given back yet.
            try unfinished.remove(CopyRig.name(path))
            try unfinished.replaceObject(CopyRig.name(path), with: bytes)
            try rig.copy(to: unfinished)
            let again = try unfinished.openFile(CopyRig.name(path)).size()
            #expect(again.allocated == size.allocated, "\(path)")
            // Of a finished copy nothing is changed any more: the next one begins anew.
            try unfinished.replaceObject(
                CopyRig.name(StoreLayout.store),
                with: UnfinishedCopy(of: Store.identity(of: target).storeID).encoded())
        }
    }

    @Test func aFinishedCopyIsComparedAndLeftAsItIs() throws {
        let target = MemoryStore()
        try rig.copy(to: target)
        let calls = FaultyStore(target)
        calls.startRecording()
        let report = try rig.copy(to: target, faults: calls)
        #expect(report.wasWhole && report.writtenBytes == 0)
        let changing = ["createFile", "write", "replaceObject", "remove", "deallocate"]
        #expect(!calls.recording.contains { call in changing.contains { call.hasPrefix($0) } })
        // Each of its files that differs, or is not there, or is more, is told.
        for path in target.names where path != StoreLayout.reserve {
            for change in ["differs", "missing"] {
                let other = target.copy()
                if change == "missing" {
                    try other.remove(CopyRig.name(path))
                } else {
                    try other.mutateFile(CopyRig.name(path)) { $0.append(7) }
                }
                let before = try CopyRig.contents(other)
                #expect(
                    diskErrorCode { try rig.copy(to: other) } == .alreadyExists, "\(path) \(change)"
                )
                #expect(try CopyRig.contents(other) == before, "\(path) \(change)")
            }
        }
        // One that was used has gone on by itself.
        let store = try rig.open(target)
        try store.attach(rig.disk).put(pattern(4096, seed: 9), at: 0)
        try store.close()
        let used = try CopyRig.contents(target)
        #expect(diskErrorCode { try rig.copy(to: target) } == .alreadyExists)
        #expect(try CopyRig.contents(target) == used)
    }

    @Test func whatIsNoCopyOfThisStoreIsRefused() throws {
        let other = try CopyRig()
        let (whole, begun) = (MemoryStore(), try other.unfinished())
        try other.copy(to: whole)
        let strange = MemoryStore()
        try strange.replaceObject(CopyRig.name("notes"), with: [1])
        let empty = MemoryStore()
        try empty.replaceObject(CopyRig.name("lineages/notes"), with: [1])
        let odd = MemoryStore()
        try odd.replaceObject(CopyRig.name(StoreLayout.store), with: [1])
        for target in [whole, begun, strange, empty, odd] {
            let before = try CopyRig.contents(target)
            let calls = FaultyStore(target)
            #expect(diskErrorCode { try rig.copy(to: target, faults: calls) } == .alreadyExists)
            #expect(try CopyRig.contents(target) == before)
            // Not even locked: a lock may leave a trace.
            #expect(calls.count(of: [.lockExclusively]) == 0)
        }
    }

    @Test func aSourceThatIsNoneOrInUseIsRefused() throws {
        #expect(
            diskErrorCode {
                _ = try StoreCopy(
                    from: CopyEnd(MemoryStore()), to: CopyEnd(MemoryStore()), holder: ""
                ).run()
            } == .notFound)
        let begun = try rig.unfinished()
        #expect(
            diskErrorCode {
                _ = try StoreCopy(
                    from: CopyEnd(begun), to: CopyEnd(MemoryStore()), holder: ""
                ).run()
            } == .unfinishedCopy)
        let target = MemoryStore()
        let store = try rig.open(rig.files)
        #expect(diskErrorCode { try rig.copy(to: target) } == .storeLocked)
        #expect(target.names == [])
        try store.close()
        // While it is copied nobody else takes it, nor the target.
        var codes: Set<DiskError.Code?> = []
        try rig.copy(to: target) { _ in
            codes.insert(diskErrorCode { _ = try rig.open(rig.files) })
            codes.insert(diskErrorCode { try rig.copy(to: target) })
            return true
        }
        #expect(codes == [.storeLocked])
        try rig.open(rig.files).close()
    }

    @Test func aSourceThatChangesMeanwhileIsNoticed() throws {
        let (target, changed) = (MemoryStore(), CopyRig.name("account.json"))
        var isDone = false
        let code = diskErrorCode {
            try rig.copy(to: target) { progress in
                if !isDone, progress.stage == .verifying {
                    isDone = true
                    return (try? rig.files.replaceObject(changed, with: [1])) != nil
                }
                return true
            }
        }
        #expect(isDone && code == .storeLocked)
        rig.expectUnfinished(target)
        try rig.copy(to: target)
        try rig.expectWhole(target)
    }

    @Test func whatIsNoPartOfAStoreIsToldAndNotCopied() throws {
        try rig.files.replaceObject(CopyRig.name("notes.txt"), with: [1])
        let lineage = try #require(try rig.files.list(CopyRig.name(StoreLayout.lineages)).first)
        let stray = "\(StoreLayout.lineages)/\(lineage.name)/chunks/rubbish"
        try rig.files.replaceObject(CopyRig.name(stray), with: [1])
        let target = MemoryStore()
        let report = try rig.copy(to: target)
        #expect(Set(report.foreign.map(\.file)) == ["notes.txt", stray])
        #expect(!target.names.contains("notes.txt") && !target.names.contains(stray))
    }

    /// Of a lineage that is going the copy has no wrapped key.
    @Test func ofADeletedLineageTheMarkAloneIsCopied() throws {
        let path = try #require(rig.files.names.first { $0.hasSuffix("lineage.manifest") })
        let mark = path.replacing("lineage.manifest", with: StoreLayout.deletionMarkName)
        let target = try rig.unfinished()
        #expect(target.names.contains(path))
        try rig.files.replaceObject(CopyRig.name(mark), with: [])
        try rig.copy(to: target)
        let lineage = path.replacing("lineage.manifest", with: "")
        #expect(target.names.filter { $0.hasPrefix(lineage) } == [mark])
        let store = try rig.open(target)
        store.reclaimer.waitUntilIdle()
        try store.close()
        #expect(!target.names.contains { $0.hasPrefix(lineage) })
    }
}
