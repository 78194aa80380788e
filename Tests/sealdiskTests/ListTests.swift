import ControlPlane
import Testing

@testable import sealdisk

/// Lists on a terminal: no line wraps, and every id is still told apart.
@Suite struct ListTests {
    private static let ids = ["d-abcdef0123456789wxyz", "d-abcdef01zzzzzzzzzzzz", "d-zzz00000"]

    private func resources(name: String) throws -> [JSON] {
        try Self.ids.map { id in
            try JSON(
                parsing: """
                    {"Name":"\(name)","SizeBytes":1099243192320,"StoredBytes":1099243192320,
                    "Encrypted":true,"Status":"Available","Damage":"x","SnapshotCount":12345,
                    "CreationTime":"2026-11-23T22:00:00Z","DiskId":"\(id)","SnapshotId":"\(id)",
                    "SourceDiskName":"\(name)","SourceDiskExists":true}
                    """.utf8)
        }
    }

    private static let names = ["a", "data", "fourteen-chars", String(repeating: "n", count: 128)]

    @Test(arguments: names) func linesFitEightyColumns(name: String) throws {
        let resources = try resources(name: name)
        for table in [
            DiskTable(resources, among: Self.ids).table(width: 80),
            SnapshotTable(resources, among: Self.ids).table(width: 80),
        ] {
            let lines = table.text(width: 80).split(separator: "\n").dropFirst()
            #expect(lines.count == 3 && lines.allSatisfy { $0.count <= 80 }, "\(lines)")
            let shown = lines.compactMap { $0.split(separator: " ").last.map(String.init) }
            for (shown, id) in zip(shown, Self.ids) {
                #expect(id.hasPrefix(shown) && shown.count >= 8)
                #expect(Self.ids.filter { $0.hasPrefix(shown) } == [id])
            }
        }
    }

    @Test func withoutATerminalNothingIsCut() throws {
        let resources = try resources(name: String(repeating: "n", count: 128))
        let text = DiskTable(resources, among: Self.ids).table(width: nil).text(width: nil)
        for id in Self.ids { #expect(text.contains(id)) }
        #expect(text.contains("2026-11-23T22:00:00Z") && !text.contains("…"))
    }

    @Test func aWideTerminalShowsAll() throws {
        let text = DiskTable(try resources(name: "data"), among: Self.ids).table(width: 160)
            .text(width: 160)
        #expect(text.contains("SNAPSHOTS") && text.contains(Self.ids[0]))
    }

    /// What another host works with cannot be had here, though no instance has it.
    @Test func whatAnotherHostHasIsNotAvailable() throws {
        let disks = try [#""HeldElsewhere":"a host","#, ""].map {
            try JSON(
                parsing: Array(
                    "{\($0)\"DiskId\":\"d-1\",\"Name\":\"n\",\"Status\":\"Available\"}".utf8))
        }
        #expect(DiskTable.status(of: disks[0]) == "Elsewhere")
        #expect(DiskTable.status(of: disks[1]) == "Available")
    }
}
