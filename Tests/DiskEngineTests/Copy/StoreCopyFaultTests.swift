import ChunkStore
import DiskFormat
import Synchronization
import Testing

@testable import DiskEngine

/// A copy fails anywhere, is interrupted anywhere, and finds anything when it goes on: the target
/// is no store until it is whole, and the same command makes it so.
@Suite struct StoreCopyFaultTests {
    private let rig: CopyRig

    init() throws { rig = try CopyRig() }

    @Test(arguments: [Fault.Effect.none, .half, .whole])
    func everyCallOfTheTargetMayFail(effect: Fault.Effect) throws {
        var call = 0
        while true {
            call += 1
            let target = MemoryStore()
            let faults = FaultyStore(target)
            faults.arm(Fault(Set(StoreOperation.allCases), call: call, effect: effect))
            let error = diskError { try rig.copy(to: target, faults: faults) }
            if faults.count(of: Set(StoreOperation.allCases)) < call { break }
            if let error {
                #expect(error.code == .io && error.message.contains("the copy"), "\(error)")
            }
            target.crash()
            try rig.expectUnfinishedOrWhole(target, "call \(call)")
            try rig.copy(to: target)
            target.crash()
            try rig.expectWhole(target, "call \(call)")
        }
        #expect(call > 30)
    }

    @Test func everyCallOfTheSourceMayFail() throws {
        var call = 0
        while true {
            call += 1
            let (target, faults) = (MemoryStore(), FaultyStore(rig.files))
            faults.arm(Fault(Set(StoreOperation.allCases), call: call))
            let copy = StoreCopy(
                from: CopyEnd(faults, survey: rig.files), to: CopyEnd(target), holder: "a copy")
            let error = diskError { _ = try copy.run() }
            if faults.count(of: Set(StoreOperation.allCases)) < call { break }
            #expect(error?.code == .io, "call \(call)")
            try rig.expectUnfinishedOrWhole(target, "call \(call)")
            _ = try copy.run()
            try rig.expectWhole(target, "call \(call)")
        }
        #expect(call > 10)
    }

    @Test(arguments: [true, false]) func everySurveyMayFail(ofSource: Bool) throws {
        var call = 0
        while true {
            call += 1
            let target = MemoryStore()
            let survey = FaultySurvey(ofSource ? rig.files : target, failing: call)
            let copy = StoreCopy(
                from: CopyEnd(rig.files, survey: ofSource ? survey : rig.files),
                to: CopyEnd(target, survey: ofSource ? target : survey), holder: "a copy")
            let error = diskError { _ = try copy.run() }
            if survey.calls < call { break }
            #expect(error?.code == .io, "call \(call)")
            try rig.expectUnfinishedOrWhole(target, "call \(call)")
            _ = try copy.run()
            try rig.expectWhole(target, "call \(call)")
        }
        #expect(call > 10)
    }

    /// Killed, or without power, before each of its calls.
    @Test func interruptedAnywhereItGoesOn() throws {
        let target = MemoryStore()
        let moments = Mutex<[(killed: MemoryStore, withoutPower: MemoryStore)]>([])
        let watched = FaultyStore(target) { _, _ in
            let (killed, withoutPower) = (target.copy(), target.copy())
            withoutPower.crash()
            moments.withLock { $0.append((killed, withoutPower)) }
        }
        try rig.copy(to: target, faults: watched)
        let all = moments.withLock { $0 }
        #expect(all.count > 30)
        for (index, moment) in all.enumerated() {
            for left in [moment.killed, moment.withoutPower] {
                try rig.expectUnfinishedOrWhole(left, "moment \(index)")
                try rig.copy(to: left)
                // What it says is there is durable, also what the killed run wrote.
                left.crash()
                try rig.expectWhole(left, "moment \(index)")
            }
        }
    }

    @Test func askedToEndItEndsAndGoesOn() throws {
        var steps = 0
        try rig.copy(to: MemoryStore()) { _ in
            steps += 1
            return true
        }
        #expect(steps > 10)
        let target = MemoryStore()
        for last in 1...steps {
            var count = 0
            #expect(throws: CopyInterrupted.self) {
                try rig.copy(to: target) { _ in
                    count += 1
                    return count < last
                }
            }
            rig.expectUnfinished(target)
        }
        // All was copied by then; nothing is written twice.
        #expect(try rig.copy(to: target).writtenBytes == 0)
        try rig.expectWhole(target)
    }

    /// Whatever an unfinished copy holds, and is not the source's, is written anew or goes.
    @Test func aDamagedHalfIsMended() throws {
        let target = try rig.unfinished()
        for path in target.names where path != StoreLayout.store {
            let name = CopyRig.name(path)
            let length = try target.bytes(of: name).count
            let damages: [(MemoryStore) throws -> Void] = [
                { try $0.mutateFile(name) { $0 = [UInt8](repeating: 9, count: $0.count) } },
                { try $0.mutateFile(name) { if let last = $0.indices.last { $0[last] ^= 1 } } },
                { try $0.mutateFile(name) { $0.removeLast(min(length, 4097)) } },
                { try $0.mutateFile(name) { $0.append(1) } }, { try $0.remove(name) },
            ]
            for (number, damage) in damages.enumerated() {
                let damaged = target.copy()
                try damage(damaged)
                try rig.copy(to: damaged)
                damaged.crash()
                try rig.expectWhole(damaged, "\(path), damage \(number)")
            }
        }
    }

    @Test func whatTheSourceHasNoMoreGoes() throws {
        let target = try rig.unfinished()
        let chunk = try #require(target.names.first { $0.hasSuffix(".chunk") })
        let manifest = try #require(target.names.first { $0.contains("/disks/d-") })
        let more = [
            String(chunk.dropLast(8)) + "77.chunk",
            manifest.split(separator: "/").dropLast().joined(separator: "/")
                + "/\(DiskID(random: [UInt8](repeating: 7, count: 20))).manifest",
            "lineages/\(String(repeating: "7", count: 32))/lineage.manifest",
            "lineages/\(String(repeating: "7", count: 32))/chunks/0000/000000/00000001.chunk",
        ]
        for path in more { try target.replaceObject(CopyRig.name(path), with: [1]) }
        let marked = manifest.split(separator: "/").prefix(2).joined(separator: "/") + "/deleted"
        try target.replaceObject(CopyRig.name(marked), with: [])
        #expect(try rig.copy(to: target).removedFiles == more.count + 1)
        try rig.expectWhole(target)
    }

    /// The source was used between two runs: the copy is what it is now.
    @Test func aSourceThatWentOnIsFollowed() throws {
        let target = try rig.unfinished()
        let store = try rig.open(rig.files)
        try store.attach(rig.disk).put(pattern(50 * 4096, seed: 8), at: 4096)
        try store.detach(rig.disk)
        try store.deleteDisk(rig.plain)
        store.reclaimer.waitUntilIdle()
        try store.close()
        #expect(try rig.copy(to: target).removedFiles > 0)
        try rig.expectWhole(target)
        let copy = try rig.open(target)
        #expect(try copy.disks().map(\.id) == [rig.disk])
        try copy.close()
    }

    @Test func aFullTargetIsTold() throws {
        let needed = try CopyRig.contents(rig.files).values.reduce(0) { $0 + UInt64($1.count) }
        let target = MemoryStore(capacity: 2 * needed)
        let begun = diskError {
            try rig.copy(to: target) { _ in target.names.count < 4 }
        }
        #expect(begun == nil)
        let free = try target.capacity().available
        // Of a folder that is none of the store's.
        _ = try target.createFile(CopyRig.name("other/file"), length: free - 8192)
        let error = try #require(diskError { try rig.copy(to: target) })
        #expect(error.code == .noSpace && error.message.contains("writing the copy"))
        rig.expectUnfinished(target)
        try target.removeFolder(CopyRig.name("other"))
        try rig.copy(to: target)
        try rig.expectWhole(target)
    }

    /// A medium that does not keep what was written is found out before the copy is a store.
    @Test func whatIsReadBackIsCompared() throws {
        let paths = try CopyRig.contents(rig.files).keys.filter { $0 != StoreLayout.store }
        for path in paths {
            let (target, name) = (MemoryStore(), CopyRig.name(path))
            var isDone = false
            let error = diskError {
                try rig.copy(to: target) { progress in
                    if !isDone, progress.stage == .copying, progress.done == progress.all {
                        // Of the files without length, which come last, one is there only now.
                        isDone =
                            (try? target.mutateFile(name) { bytes in
                                if bytes.isEmpty { bytes = [1] } else { bytes[0] ^= 1 }
                            }) != nil
                    }
                    return true
                }
            }
            #expect(isDone && error?.code == .io, "\(path)")
            #expect(error?.message.contains("\(path) is not what was written") == true)
            rig.expectUnfinished(target)
            try rig.copy(to: target)
            try rig.expectWhole(target)
        }
    }
}

/// The error that is thrown; nil: none, or that the copy was interrupted.
private func diskError(_ body: () throws -> Void) -> DiskError? {
    do {
        try body()
    } catch let error as DiskError {
        return error
    } catch {
        #expect(error is CopyInterrupted)
    }
    return nil
}
