import ChunkStore
import CryptoPrimitives
import DiskFormat
import Testing

@testable import DiskEngine

/// Every attack on the bytes of a store, enumerated, with an anchor and without. What is checked of
/// each is in `AttackRun`; what an attack must not get away with, in the attack.
@Suite struct AttackTests {
    private static let made = Result { try AttackRig() }

    let rig: AttackRig

    init() throws { rig = try Self.made.get() }

    func attack(
        _ name: String, on paths: [String], apply: @escaping (MemoryStore) throws -> Void
    ) -> Attack {
        Attack(
            name: name, lineages: Set(paths.compactMap(rig.lineage(ofPath:))), apply: apply)
    }

    /// The rig is what it is meant to be, and nobody is refused who did nothing.
    @Test(arguments: [true, false]) func nothingIsDoneAndNothingIsRefused(isAnchored: Bool) throws {
        #expect(rig.lineages.count == 3 && rig.snapshots.count == 4)
        #expect(rig.chunks.count >= 10)
        let run = AttackRun(rig, isAnchored: isAnchored)
        #expect(try run([Attack(name: "nothing", lineages: []) { _ in }]) == 0)
    }

    // MARK: One chunk

    /// Gone, cut off anywhere that matters, longer, zero in any part.
    @Test(arguments: [true, false]) func chunksDeletedCutGrownAndZeroed(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for path in rig.chunks {
            let size = try rig.now.bytes(at: path).count
            let bodies = 8192
            attacks.append(
                attack("deleted \(path)", on: [path]) { try $0.remove(path: path) })
            for length in [0, 511, 4096, 4096 + 33, bodies, size / 2, size - 1, size + 4096] {
                attacks.append(
                    attack("\(path) made \(length) long", on: [path]) { files in
                        var bytes = Array(try files.bytes(at: path).prefix(length))
                        bytes += [UInt8](repeating: 0xA5, count: length - bytes.count)
                        try files.put(bytes, at: path)
                    })
            }
            for range in [
                0..<512, 0..<4096, 4096..<bodies, 4096..<4096 + 64, bodies..<size, 0..<size,
                bodies..<bodies + 4096,
            ] {
                attacks.append(
                    attack("zeroed \(range) of \(path)", on: [path]) { files in
                        var bytes = try files.bytes(at: path)
                        bytes.replaceSubrange(
                            range, with: [UInt8](repeating: 0, count: range.count))
                        try files.put(bytes, at: path)
                    })
            }
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) * 2 > attacks.count)
    }

    @Test(arguments: [true, false]) func everyTwoChunksExchanged(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for (index, a) in rig.chunks.enumerated() {
            for b in rig.chunks[(index + 1)...] {
                attacks.append(
                    attack("exchanged \(a) and \(b)", on: [a, b]) { files in
                        let (first, second) = (try files.bytes(at: a), try files.bytes(at: b))
                        try files.put(second, at: a)
                        try files.put(first, at: b)
                    })
            }
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) == attacks.count)
    }

    /// Under the next number, under the number behind the last one, and over the next chunk.
    @Test(arguments: [true, false]) func chunksDuplicated(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for id in rig.disks.keys {
            let own = try rig.chunks(of: id)
            for path in own {
                let sequence = try #require(
                    StoreLayout.sequence(ofChunkNamed: String(path.suffix(14))))
                let folder = path.dropLast(14)
                for next in [sequence + 1, sequence + 40, 200, .max] {
                    let digits = String(next, radix: 16)
                    let name = String(repeating: "0", count: 8 - digits.count) + digits
                    let copy = "\(folder)\(name).chunk"
                    attacks.append(
                        attack("\(path) also as \(next)", on: [path]) { files in
                            try files.put(try files.bytes(at: path), at: copy)
                        })
                }
            }
        }
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) > 0)
    }

    /// The same chunk at another time, and the one that has its number on the fork.
    @Test(arguments: [true, false]) func chunksOfOtherTimes(isAnchored: Bool) throws {
        var attacks: [Attack] = []
        for (time, other) in [
            ("earlier", rig.earlier), ("middle", rig.middle), ("fork", rig.fork),
        ] {
            for path in Set(rig.chunks + other.names.filter { $0.hasSuffix(".chunk") }).sorted()
            where (try? other.bytes(at: path)) != (try? rig.now.bytes(at: path)) {
                attacks.append(
                    attack("\(path) of \(time)", on: [path]) { try $0.take(path, from: other) })
            }
        }
        #expect(attacks.count > 12)
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) > 4)
    }

    // MARK: Slots

    /// Every slot of every chunk from somewhere else in turn: the next slot, the same one of
    /// another chunk of the lane, disk, lineage, time, and of the fork; whole, or a part of it.
    @Test(arguments: [true, false]) func everySlotFromSomewhereElse(isAnchored: Bool) throws {
        let layout = try #require(ChunkLayout(slotCount: 64))
        var attacks: [Attack] = []
        var turn = isAnchored ? 1 : 0
        for path in rig.chunks {
            let donors = try donors(for: path)
            for slot in UInt32(0)..<64 {
                turn += 1
                let (from, source, shift) = donors[turn % donors.count]
                let part = turn / donors.count % 3
                let origin = (slot + shift) % 64
                attacks.append(
                    attack("slot \(slot) of \(path) from \(from), part \(part)", on: [path]) {
                        var bytes = try $0.bytes(at: path)
                        for (isMeant, count, place) in [
                            (part != 1, Format.entrySize, layout.entryOffset),
                            (part != 2, Format.blockSize, layout.bodyOffset),
                        ] where isMeant {
                            let (to, at) = (Int(place(slot)), Int(place(origin)))
                            bytes.replaceSubrange(to..<to + count, with: source[at..<at + count])
                        }
                        try $0.put(bytes, at: path)
                    })
            }
        }
        #expect(attacks.count >= 640)
        #expect(try AttackRun(rig, isAnchored: isAnchored)(attacks) * 4 > attacks.count)
    }

    /// Where a slot of a chunk may come from, and how many slots further it lies there.
    private func donors(for path: String) throws -> [(String, [UInt8], UInt32)] {
        var donors = [("the next slot", try rig.now.bytes(at: path), UInt32(1))]
        for other in rig.chunks where other != path {
            donors.append((other, try rig.now.bytes(at: other), 0))
        }
        for (time, files) in [
            ("earlier", rig.earlier), ("middle", rig.middle), ("fork", rig.fork),
        ] where files.names.contains(path) {
            donors.append((time, try files.bytes(at: path), 0))
        }
        return donors
    }
}
