import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// Slots and chunks that are moved, exchanged, cut off, zeroed, deleted or taken from an earlier
/// time: damage or nothing, never other data.
@Suite struct TamperStructureTests {
    @Test(arguments: [true, false])
    func slotsMovedWithinAChunk(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        var generator = SeededGenerator(seed: 7)
        for round in 0..<24 {
            let a = try #require(survey.slots.randomElement(using: &generator)).address
            let inChunk = survey.slots.filter { $0.address.chunk == a.chunk && $0.address != a }
            let b = try #require(inChunk.randomElement(using: &generator)).address
            var parts = [(survey.entry(a), survey.entry(b)), (survey.body(a), survey.body(b))]
            // Both parts together, the entries alone, the bodies alone.
            if round % 3 == 1 { parts.removeLast() }
            if round % 3 == 2 { parts.removeFirst() }
            for isSwap in [true, false] {
                let what = "\(isSwap ? "swapped" : "copied") \(a) and \(b), round \(round)"
                let files = try rig.tampered {
                    try $0.mutateFile(rig.chunkName(a.chunk)) { bytes in
                        for (from, to) in parts {
                            let (source, target) = (Array(bytes[from]), Array(bytes[to]))
                            bytes.replaceSubrange(to, with: source)
                            if isSwap { bytes.replaceSubrange(from, with: target) }
                        }
                    }
                }
                let finding = rig.examine(files, what)
                if finding.refused == nil, let block = survey.live[b] {
                    #expect(finding.damaged[rig.disk]?[block] != nil, "\(what)")
                }
            }
        }
    }

    @Test(arguments: [true, false])
    func chunksCutOffZeroedOrDeleted(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        for chunk in survey.chunks {
            let name = rig.chunkName(chunk)
            let size = try rig.files.bytes(of: name).count
            let holdsLive = survey.live.keys.contains { $0.chunk == chunk }
            for length in [0, 1, 511, 4096, 4160, 8192, 8192 + 10 * 4096, size - 1] {
                let files = try rig.tampered {
                    try $0.mutateFile(name) { $0.removeLast($0.count - length) }
                }
                let finding = rig.examine(files, "chunk \(chunk) cut off at \(length)")
                if holdsLive, length <= 8192 { #expect(!finding.isClean) }
            }
            for range in [0..<4096, 0..<512, 4096..<8192, 4096..<4192, 8192..<size, 0..<size] {
                let files = try rig.tampered {
                    try $0.mutateFile(name) { bytes in
                        bytes.replaceSubrange(
                            range, with: repeatElement(0, count: range.count))
                    }
                }
                let finding = rig.examine(files, "zeroed \(range) of chunk \(chunk)")
                if holdsLive { #expect(!finding.isClean, "zeroed \(range) of chunk \(chunk)") }
            }
            let files = try rig.tampered { try $0.remove(name) }
            let finding = rig.examine(files, "deleted chunk \(chunk)")
            if holdsLive { #expect(!finding.isClean, "deleted chunk \(chunk)") }
        }
    }

    @Test(arguments: [true, false])
    func chunksExchangedOrCopied(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        for a in survey.chunks {
            for b in survey.chunks where a != b {
                let other = try rig.files.bytes(of: rig.chunkName(a))
                let copied = try rig.tampered {
                    try $0.mutateFile(rig.chunkName(b)) { $0 = other }
                }
                let finding = rig.examine(copied, "copied chunk \(a) over \(b)")
                if survey.live.keys.contains(where: { $0.chunk == b }) {
                    #expect(!finding.isClean, "copied chunk \(a) over \(b)")
                }
                // All but the header, which stays right.
                let grafted = try rig.tampered {
                    try $0.mutateFile(rig.chunkName(b)) { $0[4096...] = other[4096...] }
                }
                _ = rig.examine(grafted, "slots of chunk \(a) under the header of \(b)")
            }
        }
    }

    @Test(arguments: [true, false])
    func chunksOfAnEarlierTime(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        let disk = try store.attach(rig.disk)
        try disk.put([1, 2, 3], at: 0)
        // One copy of the store after each write, all in the same session.
        var moments: [MemoryStore] = []
        var expected = rig
        for block in 0..<70 {
            let bytes = pattern(4096, seed: UInt64(block + 50))
            try disk.put(bytes, at: UInt64(block * 4096))
            if block % 10 == 0 { moments.append(rig.files.copy()) }
            expected.contents[rig.disk]!.replaceSubrange(
                block * 4096..<(block + 1) * 4096, with: bytes)
        }
        try store.close()
        let survey = try TamperSurvey(expected)
        for (index, moment) in moments.enumerated() {
            for chunk in survey.chunks where moment.names.contains(rig.chunkName(chunk).path) {
                let old = try moment.bytes(of: rig.chunkName(chunk))
                guard try old != rig.files.bytes(of: rig.chunkName(chunk)) else { continue }
                let files = try rig.tampered {
                    try $0.mutateFile(rig.chunkName(chunk)) { $0 = old }
                }
                let finding = expected.examine(files, "chunk \(chunk) of moment \(index)")
                #expect(!finding.isClean, "chunk \(chunk) of moment \(index)")
            }
        }
    }

    /// A clone (same lineage, other lane) and a stranger (other lineage, same chunk numbers).
    @Test(arguments: [true, false])
    func chunksOfOtherDisks(encrypted: Bool) throws {
        var rig = try TamperRig(encrypted: encrypted)
        let store = try rig.open(rig.files)
        let bytes = pattern(TamperRig.blocks * 4096, seed: 9)
        let clone = try store.createDisk(from: rig.snapshot, size: nil, attributes: [:])
        let stranger = try store.createDisk(
            encrypted: encrypted, size: UInt64(bytes.count), attributes: [:])
        for id in [clone.id, stranger.id] {
            try store.attach(id).put(bytes, at: 0)
            rig.contents[id] = bytes
        }
        try store.close()
        let own = rig.files.names.filter { $0.contains("\(rig.lineage)/chunks/0001/") }
        let others = rig.files.names.filter { $0.hasSuffix(".chunk") && !own.contains($0) }
        #expect(own.count >= 4 && others.count >= 8)
        #expect(rig.examine(rig.files.copy(), "untouched").isClean)
        for (index, mine) in own.enumerated() {
            for theirs in [others[index], others[others.count - 1 - index]] {
                let files = try rig.tampered {
                    let (a, b) = (rig.name(mine), rig.name(theirs))
                    let (first, second) = (try $0.bytes(of: a), try $0.bytes(of: b))
                    try $0.mutateFile(a) { $0 = second }
                    try $0.mutateFile(b) { $0 = first }
                }
                let finding = rig.examine(files, "exchanged \(mine) and \(theirs)")
                #expect(!finding.isClean, "exchanged \(mine) and \(theirs)")
            }
        }
    }
}
