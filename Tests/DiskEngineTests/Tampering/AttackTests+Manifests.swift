import ChunkStore
import CryptoPrimitives
import DiskFormat
import Testing

@testable import DiskEngine

extension AttackTests {
    /// Gone, cut off, longer, a bit of each part flipped.
    @Test(arguments: [true, false]) func manifestsDeletedCutAndFlipped(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for path in rig.manifests {
            let bytes = try rig.now.bytes(at: path)
            attacks.append(attack("deleted \(path)", on: [path]) { try $0.remove(path: path) })
            for length in [0, 1, bytes.count / 2, bytes.count - 65, bytes.count - 1] {
                attacks.append(
                    attack("\(path) cut to \(length)", on: [path]) {
                        try $0.put(Array(bytes.prefix(length)), at: path)
                    })
            }
            attacks.append(
                attack("\(path) twice", on: [path]) { try $0.put(bytes + bytes, at: path) })
            for byte in stride(from: isAnchored ? 0 : 5, to: bytes.count, by: 11) {
                attacks.append(
                    attack("bit of byte \(byte) of \(path)", on: [path]) {
                        var bytes = bytes
                        bytes[byte] ^= 1 << UInt8(byte % 8)
                        try $0.put(bytes, at: path)
                    })
            }
        }
        // What is gone is noticed as well: it is not found.
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) == attacks.count)
    }

    @Test(arguments: [true, false]) func manifestsInEachOthersPlace(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for a in rig.manifests {
            for b in rig.manifests where a != b {
                attacks.append(
                    attack("\(a) over \(b)", on: [b]) {
                        try $0.put(try $0.bytes(at: a), at: b)
                    })
            }
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) == attacks.count)
    }

    // MARK: Other times

    private var times: [(String, MemoryStore, Attack.Reach)] {
        [
            ("earlier", rig.earlier, .past), ("middle", rig.middle, .past),
            ("the fork", rig.fork, .fork),
        ]
    }

    /// One manifest, or two of them, of an earlier time or of the fork, and all else as it is.
    @Test(arguments: [true, false]) func manifestsOfOtherTimes(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for (time, files, _) in times {
            let paths = Set(rig.manifests + files.names.filter { $0.hasSuffix(".manifest") })
                .filter { (try? files.bytes(at: $0)) != (try? rig.now.bytes(at: $0)) }.sorted()
            for a in paths {
                for b in paths where b >= a && rig.lineage(ofPath: a) == rig.lineage(ofPath: b) {
                    var attack = attack("\(a) and \(b) of \(time)", on: [a]) { store in
                        for path in Set([a, b]) { try store.take(path, from: files) }
                    }
                    attack.refused = try refusedOf(files, [a, b])
                    // A disk's and its lineage's together are the disk of that time.
                    if a.contains("/disks/"), b.hasSuffix("/lineage.manifest") {
                        attack.reach = .past
                    }
                    attacks.append(attack)
                }
            }
        }
        #expect(attacks.count > 30)
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) > attacks.count / 2)
    }

    /// A disk's manifest with each of its chunks, and with all of its lane.
    @Test(arguments: [true, false]) func aManifestAndItsChunksOfOtherTimes(isAnchored: Bool) throws
    {
        var attacks: [Attack] = []
        for (time, files, reach) in times {
            for id in rig.disks.keys.sorted() {
                let (path, lineage) = (rig.manifest(of: id), rig.manifest(ofLineageOf: id))
                let own = try rig.chunks(of: id)
                let lane = String(try #require(own.first).dropLast(14))
                let both = [path, lineage]
                let parts =
                    own.flatMap { [([path, $0], false), (both + [$0], false)] }
                    + [([path], true), (both, true)]
                for (meant, hasLane) in parts {
                    let what = "\(meant)\(hasLane ? " and the lane" : "") of \(time)"
                    var attack = attack(what, on: [path]) { store in
                        try store.take(from: files) { name in
                            meant.contains(name) || hasLane && name.hasPrefix(lane)
                        }
                    }
                    attack.reach = reach
                    attack.refused = try refusedOf(files, meant)
                    attacks.append(attack)
                }
            }
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) > attacks.count / 3)
    }

    /// Whom an anchor must refuse when these files are of another time: a disk whose manifest is of
    /// another version, each disk of a lineage whose own is of a lower one.
    private func refusedOf(_ files: MemoryStore, _ paths: [String]) throws -> Set<DiskID> {
        var refused: Set<DiskID> = []
        for id in rig.disks.keys {
            for path in [rig.manifest(of: id), rig.manifest(ofLineageOf: id)]
            where paths.contains(path) {
                if try version(of: path, in: files) < version(of: path, in: rig.now) {
                    refused.insert(id)
                }
            }
        }
        return refused
    }

    private func version(of path: String, in files: MemoryStore) throws -> UInt64 {
        guard files.names.contains(path) else { return .max }  // gone, which is another attack
        let line = try files.bytes(at: path).prefix { $0 != UInt8(ascii: "\n") }
        return try #require(
            String(decoding: line, as: UTF8.self).split(separator: " ").last.flatMap { UInt64($0) })
    }

    /// A lineage's folder, and the whole store.
    @Test(arguments: [true, false]) func aFolderOrAllOfAnotherTime(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for (time, files, reach) in times {
            for lineage in rig.lineages.sorted(by: { "\($0)" < "\($1)" }) {
                var attack = attack("lineage of \(time)", on: ["lineages/\(lineage)/"]) { store in
                    try store.take(from: files) { $0.hasPrefix("lineages/\(lineage)/") }
                }
                attack.reach = reach
                attack.refused = Set(rig.disks.filter { $0.value.lineage == lineage }.keys)
                attack.code = .rolledBack
                attacks.append(attack)
            }
            var all = Attack(name: "store of \(time)", lineages: rig.lineages) { store in
                try store.take(from: files) { _ in true }
            }
            all.reach = reach
            all.refused = Set(rig.disks.keys)
            all.code = .rolledBack
            attacks.append(all)
        }
        let noticed = try AttackRun(rig, isAnchored: isAnchored)(attacks)
        // With no anchor they are what they are: stores of another time, which read well but for
        // what was not there then.
        #expect(isAnchored ? noticed == attacks.count : noticed <= attacks.count)
    }
}
