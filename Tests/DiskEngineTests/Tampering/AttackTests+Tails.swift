import ChunkStore
import CryptoPrimitives
import DiskFormat
import Testing

@testable import DiskEngine

extension AttackTests {
    /// The log of a disk cut at each slot of its last two chunks, with all manifests as they are
    /// after the clean detach; and with those of the middle of the session.
    @Test(arguments: [true, false]) func everyTailCutOff(isAnchored: Bool) throws {
        let layout = try #require(ChunkLayout(slotCount: 64))
        var attacks: [Attack] = []
        for id in rig.disks.keys.sorted() {
            let own = try rig.chunks(of: id)
            let manifests = [rig.manifest(of: id), rig.manifest(ofLineageOf: id)]
            for index in max(0, own.count - 2)..<own.count {
                let (cut, gone) = (own[index], own[(index + 1)...])
                for slot in 0..<(try usedSlots(of: cut)) {
                    let old = [[], [manifests[0]], manifests][slot % 3]
                    let isWhole = (slot / 3).isMultiple(of: 2)
                    var attack = attack("\(cut) cut at \(slot), \(old) kept", on: [cut]) {
                        for path in old { try $0.take(path, from: rig.middle) }
                        if isWhole { for path in gone { try $0.remove(path: path) } }
                        var bytes = try $0.bytes(at: cut)
                        let from = Int(layout.entryOffset(of: UInt32(slot)))
                        let end = isWhole ? Int(layout.bodiesOffset) : from + Format.entrySize
                        bytes.replaceSubrange(
                            from..<end, with: [UInt8](repeating: 0, count: end - from))
                        try $0.put(bytes, at: cut)
                    }
                    attack.reach = old.isEmpty ? .newest : .past
                    attack.refused = old.isEmpty ? [] : [id]
                    attacks.append(attack)
                }
            }
        }
        #expect(attacks.count > 100)
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) * 3 > attacks.count)
    }

    /// Slots of a chunk up to the last that has an entry.
    private func usedSlots(of path: String) throws -> Int {
        let bytes = try rig.now.bytes(at: path)
        let used = (0..<64).last { slot in
            bytes[4096 + slot * 32..<4096 + slot * 32 + 32].contains { $0 != 0 }
        }
        return try #require(used) + 1
    }

    /// The last chunks gone, newest first, one more each time.
    @Test(arguments: [true, false]) func theLastChunksGone(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for id in rig.disks.keys.sorted() {
            let own = try rig.chunks(of: id)
            for count in 1...own.count {
                for old in [[], [rig.manifest(of: id)]] {
                    for (time, files) in [("earlier", rig.earlier), ("middle", rig.middle)] {
                        var attack = attack("\(count) chunks gone, \(old) \(time)", on: own) {
                            for path in own.suffix(count) { try $0.remove(path: path) }
                            for path in old { try $0.take(path, from: files) }
                        }
                        attack.reach = old.isEmpty ? .newest : .past
                        attack.refused = old.isEmpty ? [] : [id]
                        attacks.append(attack)
                    }
                }
            }
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) * 2 > attacks.count)
    }

    // MARK: Forgeries

    /// Suite, version and key exchanged where they stand, in manifests and headers.
    @Test(arguments: [true, false]) func suitesAndVersionsChanged(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for id in [rig.alpha, rig.beta, rig.plain] {
            let path = rig.manifest(ofLineageOf: id)
            let text = String(decoding: try rig.now.bytes(at: path), as: UTF8.self)
            let own = rig.chunks.filter { rig.lineage(ofPath: $0) == rig.lineage(id) }
            let suite = id == rig.plain ? UInt8(1) : 0
            let downgraded = text.replacing(
                "\"suite\":\(1 - suite)", with: "\"suite\":\(suite)")
            #expect(downgraded != text)
            let manifests = [
                "suite": downgraded,
                "version": text.replacing("sealdisk-manifest 1", with: "sealdisk-manifest 0"),
                "later version": text.replacing("sealdisk-manifest 1", with: "sealdisk-manifest 2"),
                "epoch": text.replacing("\"epoch\":", with: "\"epoch\":1"),
                "key": text.replacing("\"keyID\":\"", with: "\"keyID\":\"x"),
            ].filter { $0.value != text }
            for (what, changed) in manifests.sorted(by: { $0.key < $1.key }) {
                var inManifest = attack("\(what) of the lineage of \(id)", on: [path]) {
                    try $0.put(Array(changed.utf8), at: path)
                }
                inManifest.refusedAnyway = [id]
                attacks.append(inManifest)
            }
            for (what, byte, value) in [("suite", 10, suite), ("version", 8, 2), ("suite", 11, 9)] {
                attacks.append(
                    attack("\(what) in the headers of \(id)", on: own) {
                        try Self.set(byte, to: value, in: own, of: $0)
                    })
            }
            var both = attack("suite in all of \(id)", on: own) {
                try $0.put(Array(downgraded.utf8), at: path)
                try Self.set(10, to: suite, in: own, of: $0)
            }
            both.refusedAnyway = [id]
            attacks.append(both)
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) == attacks.count)
    }

    private static func set(
        _ byte: Int, to value: UInt8, in paths: [String], of files: MemoryStore
    ) throws {
        for path in paths {
            var bytes = try files.bytes(at: path)
            bytes[byte] = value
            try files.put(bytes, at: path)
        }
    }

    /// The key lines of two lineages exchanged; one over the other; the folders exchanged whole.
    @Test(arguments: [true, false]) func keysOfAnotherLineage(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        let pairs = [(rig.alpha, rig.beta), (rig.beta, rig.plain), (rig.plain, rig.alpha)]
        for (a, b) in pairs + pairs.map({ ($1, $0) }) {
            let (first, second) = (rig.manifest(ofLineageOf: a), rig.manifest(ofLineageOf: b))
            var lines = try [first, second].map {
                try rig.now.bytes(at: $0).split(
                    separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            }
            lines[0][1] = lines[1][1]
            let forged = Array(lines[0].joined(separator: [UInt8(ascii: "\n")]))
            var wrapped = attack("key of \(b) in \(a)", on: [first]) {
                try $0.put(forged, at: first)
            }
            wrapped.refusedAnyway = [a]
            attacks.append(wrapped)
            let (from, to) = ("lineages/\(rig.lineage(b))/", "lineages/\(rig.lineage(a))/")
            var folder = attack("folder of \(b) as that of \(a)", on: [from, to]) { files in
                for path in files.names where path.hasPrefix(to) { try files.remove(path: path) }
                for path in rig.now.names where path.hasPrefix(from) {
                    try files.put(
                        try rig.now.bytes(at: path), at: to + path.dropFirst(from.count))
                }
            }
            folder.refusedAnyway = [a]
            attacks.append(folder)
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) == attacks.count)
    }

    /// A lineage of somebody's own, plain and well formed, with a disk under an encrypted one's id:
    /// only an anchor knows that the disk was another.
    @Test func aPlainLineageInPlaceOfAnEncryptedOne() throws {
        let planted = LineageID(bytes: [UInt8](repeating: 7, count: LineageID.byteCount))
        let keys = try LineageKeys.plain(planted)
        var lineage = LineageManifest(
            key: .init(
                suite: .plain, epoch: 0, keyID: nil, wrappedKey: nil,
                keyCheck: HexBytes(keys.keyCheck)), created: 0)
        lineage.nextLane = 2
        let disk = DiskManifest(
            id: rig.beta, created: 0, lane: 1, slotsPerChunk: 64,
            origin: .empty(size: UInt64(AttackRig.blocks * 4096)), sourceSnapshot: nil,
            nextSequence: 1, attributes: ["N": "beta"])
        let forged = try (
            lineage.sealed(version: 99, with: keys).bytes,
            disk.sealed(version: 99, with: keys).bytes
        )
        let own = "lineages/\(rig.lineage(rig.beta))/"
        var replaced = attack("plain in place of beta", on: [own]) { files in
            for path in files.names where path.hasPrefix(own) { try files.remove(path: path) }
            try files.put(forged.0, at: StoreLayout.lineageManifest(planted))
            try files.put(forged.1, at: StoreLayout.disk(planted, rig.beta))
        }
        replaced.refused = [rig.beta]
        replaced.code = .rolledBack
        #expect(try AttackRun(rig, isAnchored: true)([replaced]) == 1)
    }
}
