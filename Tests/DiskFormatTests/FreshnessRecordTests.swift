import CryptoPrimitives
import Testing

@testable import DiskFormat

@Suite struct FreshnessRecordTests {
    private let lineage = LineageID(bytes: [UInt8](repeating: 1, count: 16))
    private let disk = DiskID(random: [UInt8](repeating: 2, count: 20))
    private let chunk = ChunkNumber(lane: 1, sequence: 9)

    private func facts(
        version: UInt64, session: UInt64, salt: UInt8, slot: UInt32
    ) throws -> FreshnessRecord.DiskFacts {
        try FreshnessRecord.DiskFacts(
            lineage: lineage, manifestVersion: version,
            session: SessionStamp(
                number: session, salt: HexBytes([UInt8](repeating: salt, count: 32))),
            durable: LogPosition(chunk: chunk, slot: slot))
    }

    @Test func nothingNotedIsTakenBack() throws {
        var record = FreshnessRecord(store: "s")
        let isNewer = record.note(lineage, .init(version: 5, suite: .aes256GCM))
        #expect(isNewer)
        let isOlder = record.note(lineage, .init(version: 4, suite: .plain))
        #expect(!isOlder)
        #expect(record.lineages[lineage.description]?.suite == .aes256GCM)
        let known = try facts(version: 5, session: 3, salt: 3, slot: 7)
        let isFirst = record.note(disk, known)
        #expect(isFirst)
        let goesBack = try record.note(disk, facts(version: 4, session: 2, salt: 2, slot: 6))
        #expect(!goesBack)
        #expect(record.disks[disk.text] == known)
        let goesOn = try record.note(disk, facts(version: 4, session: 3, salt: 3, slot: 8))
        #expect(goesOn)
        #expect(record.disks[disk.text]?.durable?.slot == 8)
        #expect(record.disks[disk.text]?.manifestVersion == 5)
    }

    @Test func whatIsDeletedStaysDeletedUntilItIsMadeAnew() throws {
        var record = FreshnessRecord(store: "s")
        let known = try facts(version: 1, session: 1, salt: 1, slot: 1)
        record.set(lineage, .init(version: 1, suite: .plain))
        record.set(disk, known)
        record.forget(lineage)
        #expect(record.disks.isEmpty && record.isDeleted(lineage))
        record.forget(disk)
        let disks = record.note(disk, known)
        let lineages = record.note(lineage, .init(version: 2, suite: .plain))
        #expect(!disks && !lineages)
        record.set(disk, known)
        #expect(!record.isDeleted(disk) && record.disks[disk.text] == known)
    }

    @Test func theOldestDeletionsAreForgotten() {
        var record = FreshnessRecord(store: "s")
        func id(_ number: Int) -> DiskID {
            DiskID(random: (0..<20).map { $0 == 0 ? UInt8(number % 36) : UInt8(number / 36 % 36) })
        }
        let count = FreshnessRecord.deletedLimit
        for number in 0..<count + 10 { record.forget(id(number)) }
        #expect(record.deleted.count == count)
        #expect(!record.isDeleted(id(0)) && record.isDeleted(id(count + 9)))
    }

    @Test func itsBytesAreReadAgainOrRefused() throws {
        var record = FreshnessRecord(store: "s")
        record.set(lineage, .init(version: 1, suite: .aes256GCM))
        record.set(disk, try facts(version: 1, session: 1, salt: 1, slot: 1))
        record.forget(SnapshotID(random: [UInt8](repeating: 3, count: 20)))
        let bytes = try record.encoded()
        #expect(try FreshnessRecord(decoding: bytes) == record)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 4
            #expect(throws: (any Error).self) { try FreshnessRecord(decoding: changed) }
            #expect(throws: (any Error).self) {
                try FreshnessRecord(decoding: Array(bytes.prefix(index)))
            }
        }
    }
}
