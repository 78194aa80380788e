import CryptoPrimitives
import Testing

@testable import DiskFormat

/// Whole files, checked from the first byte to the last.
@Suite struct SealedSnapshotFileTests {
    /// A full snapshot of 300 blocks: three frames.
    private static func file(_ suite: Suite, blocks: Int = 300) throws -> [UInt8] {
        let keys = try Example.keys(suite)
        let header = try SealedSnapshotHeader(
            lineage: Example.lineage, snapshot: Example.snapshot, base: nil, disk: Example.disk,
            created: 7, size: 1000 * 4096, storedBlocks: UInt64(blocks), salt: Example.salt,
            store: Hex.text(Array(0x40..<0x50)),
            key: .init(
                suite: suite, epoch: keys.epoch, keyID: suite == .plain ? nil : "key-1",
                wrappedKey: suite == .plain ? nil : HexBytes(Array(0..<61)),
                keyCheck: HexBytes(keys.keyCheck)))
        var file = try header.sealed(with: keys)
        let all = (0..<blocks).map { SealedItem.data(UInt64($0 * 3)) }
        let frames = SealedGeometry.frames(blocks: UInt64(blocks))
        for number in 0..<frames {
            let items = Array(all.dropFirst(Int(number) * 126).prefix(126))
            file += try SealedExample.frame(
                items, of: header, suite, number: #require(FrameNumber(number)),
                isLast: number == frames - 1)
        }
        return file
    }

    /// What a check of the bytes says, fed in pieces as they are asked for.
    private func check(
        _ bytes: [UInt8], _ keys: LineageKeys?, visit: SealedSnapshotFile.Visit = { _, _ in }
    ) throws -> (digest: [UInt8], size: UInt64) {
        var rest = bytes[...]
        let file = try SealedSnapshotFile { buffer in
            let part = rest.prefix(buffer.count)
            buffer.copyBytes(from: part)
            rest = rest.dropFirst(part.count)
            return part.count
        }
        return try file.check(with: keys, visit: visit)
    }

    @Test(arguments: Example.suites) func aWholeFile(suite: Suite) throws {
        let file = try Self.file(suite)
        #expect(UInt64(file.count) == SealedGeometry.fileSize(blocks: 300))
        let keyless = try check(file, nil)
        #expect(keyless.digest == (try SHA256.hash(file)))
        #expect(keyless.size == UInt64(file.count))
        var found: [BlockNumber] = []
        let keyed = try check(file, Example.keys(suite)) { items, bodies in
            for (index, item) in items.enumerated() {
                guard case .data(let block) = item else { continue }
                found.append(block)
                #expect(
                    bodies[index * 4096..<(index + 1) * 4096].elementsEqual(
                        SealedExample.body(block)))
            }
        }
        #expect(keyed.digest == keyless.digest)
        #expect(found == (0..<300).map { UInt64($0 * 3) })
    }

    @Test(arguments: Example.suites) func anEmptyOne(suite: Suite) throws {
        let file = try Self.file(suite, blocks: 0)
        #expect(file.count == 8192)
        #expect(try check(file, Example.keys(suite)).size == 8192)
    }

    /// Cut off anywhere, lengthened, a bit turned, frames in another order: found without a key.
    @Test(arguments: Example.suites) func accidentsAreFound(suite: Suite) throws {
        let file = try Self.file(suite)
        for length in stride(from: 0, to: file.count, by: 1365) {
            #expect(throws: FormatError.self) { _ = try check(Array(file[..<length]), nil) }
        }
        for more in [1, 4096] {
            let longer = file + [UInt8](repeating: 0, count: more)
            #expect(throws: FormatError.self) { _ = try check(longer, nil) }
        }
        for byte in stride(from: 0, to: file.count, by: 4099) {
            var damaged = file
            damaged[byte] ^= 1 << UInt8(byte % 8)
            #expect(throws: FormatError.self, "byte \(byte)") { _ = try check(damaged, nil) }
        }
        let frame = 127 * 4096
        let swapped =
            Array(file[..<4096]) + file[4096 + frame..<4096 + 2 * frame] + file[4096..<4096 + frame]
            + file[(4096 + 2 * frame)...]
        #expect(throws: FormatError.self) { _ = try check(Array(swapped), nil) }
    }

    /// Frames of another snapshot with the same ids but another salt fit in every public field.
    @Test func forgeriesAreFoundWithTheKey() throws {
        let file = try Self.file(.aes256GCM)
        let keys = try Example.keys(.aes256GCM)
        let other = try SealedExample.header(.aes256GCM, salt: Array(0..<32))
        var forged = file
        let last = try SealedExample.frame(
            (0..<48).map { .data(UInt64(900 + $0)) },
            of: SealedSnapshotHeader(
                lineage: other.lineage, snapshot: other.snapshot, base: nil, disk: other.disk,
                created: 7, size: 1000 * 4096, storedBlocks: 300, salt: other.salt,
                store: other.store, key: other.key), .aes256GCM, number: #require(FrameNumber(2)))
        forged.replaceSubrange((4096 + 2 * 127 * 4096)..., with: last)
        #expect(try check(forged, nil).size == UInt64(file.count))
        #expect(throws: FormatError.self) { _ = try check(forged, keys) }
        // And a wrong key opens nothing.
        let wrong = try Example.keys(dataKey: Array(repeating: 9, count: 32))
        #expect(throws: FormatError.self) { _ = try check(file, wrong) }
    }
}
