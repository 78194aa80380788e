import ControlPlane

/// What goes with a disk or a snapshot, in words.
enum Deletion {
    /// What was deleted, and what the reply has to say of its data key.
    static func tell(_ what: String, _ answer: Answer) {
        print(what)
        let note = answer.fields.text("Note")
        if !note.isEmpty { print(note) }
    }

    static func question(disk: JSON, disks: [JSON], snapshots: [JSON]) -> String {
        let kept = snapshots.filter { $0.text("SourceDiskId") == disk.text("DiskId") }.count
        let stay =
            kept == 0
            ? "It has no snapshots."
            : kept == 1 ? "Its snapshot stays." : "Its \(kept) snapshots stay."
        return "Delete disk \(disk.text("Name")) (\(disk.text("DiskId")),"
            + " \(disk.size("StoredBytes")) stored)? \(stay)"
            + last(disk, others: disks + snapshots)
    }

    static func question(snapshot: JSON, disks: [JSON], snapshots: [JSON]) -> String {
        "Delete snapshot \(snapshot.text("Name")) (\(snapshot.text("SnapshotId")), taken"
            + " \(ShortTime.minute(snapshot.text("CreationTime"))))?"
            + last(snapshot, others: disks + snapshots)
    }

    static func question(disk: JSON, goesBackTo snapshot: JSON) -> String {
        "Roll disk \(disk.text("Name")) (\(disk.text("DiskId"))) back to snapshot"
            + " \(snapshot.text("Name")), taken"
            + " \(ShortTime.minute(snapshot.text("CreationTime")))? What was written to it since"
            + " is lost, unless another snapshot has it."
    }

    static func question(reinitializing disk: JSON) -> String {
        let source = disk.text("SourceSnapshotId")
        return "Make disk \(disk.text("Name")) (\(disk.text("DiskId")),"
            + " \(disk.size("StoredBytes")) stored)"
            + (source.isEmpty ? " blank again" : " what snapshot \(source) is again")
            + "? Everything that was written to it is lost."
    }

    /// With the last of a lineage go its chunks and its wrapped key.
    private static func last(_ one: JSON, others all: [JSON]) -> String {
        let lineage = one.text("Lineage")
        guard all.filter({ $0.text("Lineage") == lineage }).count <= 1 else { return "" }
        return one.flag("Encrypted")
            ? " Nothing else has its data key, which is destroyed: nobody can ever read it again."
            : " Nothing else has its data, which goes for ever."
    }
}

extension Client {
    /// All disks and all snapshots, as they are described.
    func everything() throws(Failure) -> (disks: [JSON], snapshots: [JSON]) {
        (try DiskCommand.all(through: self), try SnapshotCommand.all(through: self))
    }
}
