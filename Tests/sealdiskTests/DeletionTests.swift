import ControlPlane
import Testing

@testable import sealdisk

/// What is told before something goes for ever.
@Suite struct DeletionTests {
    private func json(_ text: String) throws -> JSON { try JSON(parsing: text.utf8) }

    @Test func theLastOfALineageTakesItsKeyAlong() throws {
        let disk = try json(
            #"{"Name":"data","DiskId":"d-1","Lineage":"1","Encrypted":true,"StoredBytes":4096}"#)
        let plain = try json(#"{"Name":"p","DiskId":"d-2","Lineage":"2","Encrypted":false}"#)
        let alone = Deletion.question(disk: disk, disks: [disk, plain], snapshots: [])
        #expect(alone.hasPrefix("Delete disk data (d-1, 4 KiB stored)? It has no snapshots."))
        #expect(alone.contains("data key, which is destroyed"))
        let last = Deletion.question(disk: plain, disks: [disk, plain], snapshots: [])
        #expect(last.contains("goes for ever") && !last.contains("key"))
    }

    @Test func snapshotsThatStayAreCounted() throws {
        let disk = try json(#"{"Name":"data","DiskId":"d-1","Lineage":"1","Encrypted":true}"#)
        let snapshots = try ["a", "b"].map { name in
            try json(
                """
                {"Name":"\(name)","SnapshotId":"s-\(name)","SourceDiskId":"d-1","Lineage":"1",
                "Encrypted":true,"CreationTime":"2026-11-23T22:00:00Z"}
                """)
        }
        let question = Deletion.question(disk: disk, disks: [disk], snapshots: snapshots)
        #expect(question.contains("Its 2 snapshots stay.") && !question.contains("destroyed"))
        let one = Deletion.question(snapshot: snapshots[0], disks: [], snapshots: [snapshots[0]])
        #expect(one.contains("taken 2026-11-23 22:00") && one.contains("destroyed"))
    }

    @Test func withoutATerminalNobodyIsAsked() throws {
        let options = try Confirmation.parse(["--yes"])
        try options.confirm { () throws(Failure) in
            Issue.record("asked in spite of --yes")
            return ""
        }
    }
}
