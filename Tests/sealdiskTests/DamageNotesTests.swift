import ControlPlane
import Testing

@testable import sealdisk

@Suite struct DamageNotesTests {
    private static let disks = [
        #"{"Name":"data","Status":"In_use","Damage":"disk d-1: byte 4096","SnapshotCount":1}"#,
        #"{"Name":"bare","Status":"In_use","Damage":"disk d-2: byte 0","SnapshotCount":0}"#,
        #"{"Name":"whole","Status":"In_use","SnapshotCount":1}"#,
    ]

    private func disks() throws -> [JSON] { try Self.disks.map { try JSON(parsing: $0.utf8) } }

    @Test func whatIsDamagedIsToldWithWhereAndWhatToDo() throws {
        let damaged = try JSON(parsing: #"{"Resource":"lineage 7","Cause":"no key"}"#.utf8)
        let text = DamageNotes(noun: "disk", resources: try disks(), unlisted: [damaged]).text
        #expect(text.contains("sealdisk: disk data is damaged: disk d-1: byte 4096\n"))
        #expect(text.contains("sealdisk disk reset data --snapshot"))
        #expect(!text.contains("reset bare") && !text.contains("whole"))
        #expect(text.contains("sealdisk: lineage 7 is damaged: no key\n"))
    }

    @Test func withoutDamageNothingIsTold() throws {
        let whole = try #require(try disks().last)
        #expect(DamageNotes(noun: "disk", resources: [whole], unlisted: []).text.isEmpty)
    }

    @Test func itsRowIsMarked() throws {
        let text = DiskTable(try disks(), among: []).whole.text(width: nil)
        let lines = text.split(separator: "\n")
        #expect(lines[1].contains("In_use!") && lines[2].contains("In_use!"))
        #expect(!lines[3].contains("!"))
    }
}
