import Testing

@testable import DiskFormat

@Suite struct IdentifierTests {
    @Test func idsAreDrawn() throws {
        let disk = DiskID(random: Array(0..<20))
        #expect(disk.text == "d-0123456789abcdefghij")
        #expect(DiskID(disk.text) == disk)
        let snapshot = SnapshotID(random: [35, 36, 255] + [UInt8](repeating: 71, count: 17))
        #expect(snapshot.text == "s-z03zzzzzzzzzzzzzzzzz")
        #expect(SnapshotID(snapshot.text) == snapshot)
        let lineage = try #require(LineageID("00ff102030405060708090a0b0c0d0e0"))
        #expect(lineage.bytes.prefix(3) == [0, 255, 16])
        #expect("\(lineage)" == "00ff102030405060708090a0b0c0d0e0")
    }

    /// Ids become parts of paths: nothing but their letters may pass.
    @Test(arguments: [
        "", "d-", "d-0000000000000000000", "d-000000000000000000000", "d-0000000000000000000A",
        "d-../../../../../../../x", "d-0000000000000000000/", "d-0000000000000000000\u{0}",
        "d-00000000000000000é", "s-0000000000000000000A", "D-00000000000000000000",
        "s-0000000000000000000\n", " d-0000000000000000000",
    ])
    func notAnID(text: String) {
        #expect(DiskID(text) == nil)
        #expect(SnapshotID(text) == nil)
    }

    @Test func kindsAreKeptApart() {
        #expect(DiskID(Example.snapshot.text) == nil)
        #expect(SnapshotID(Example.disk.text) == nil)
    }

    @Test(arguments: [
        "", "000102030405060708090a0b0c0d0e", "000102030405060708090a0b0c0d0e0f0",
        "000102030405060708090a0b0c0d0e0F", "000102030405060708090a0b0c0d0e0g",
        "000102030405060708090a0b0c0d0e+f", "../102030405060708090a0b0c0d0e0f",
    ])
    func notALineage(text: String) {
        #expect(LineageID(text) == nil)
    }
}
