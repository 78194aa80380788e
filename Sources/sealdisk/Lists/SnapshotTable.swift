import ControlPlane

/// The list of snapshots, whole or at the width of a terminal.
struct SnapshotTable {
    /// How much a row tells; ids are cut in all but the first.
    private enum Detail: CaseIterable { case whole, toTheMinute, toTheDay }

    private let snapshots: [JSON]
    private let ids: ShortID

    /// - Parameter all: every snapshot's id, among which a short one has to be told apart.
    init(_ snapshots: [JSON], among all: [String]) {
        self.snapshots = snapshots
        ids = ShortID(among: all)
    }

    /// For who is not a terminal.
    var whole: Table { table(.whole) }

    /// The most that fits `width` columns; whole where nothing limits it.
    func table(width: Int?) -> Table { Table.fitting(width, Detail.allCases.map(table)) }

    private func table(_ detail: Detail) -> Table {
        Table(
            [
                .left("NAME", mayShrink: true), .left("DISK", mayShrink: true), .right("SIZE"),
                .right("STORED"), .left("KIND"), .left("CREATED"), .left("ID"),
            ],
            rows: snapshots.map { cells($0, detail) })
    }

    private func cells(_ snapshot: JSON, _ detail: Detail) -> [String] {
        let (id, created) = (snapshot.text("SnapshotId"), snapshot.text("CreationTime"))
        let shownID = detail == .whole ? id : ids.text(id)
        let name = snapshot.text("Name") == id ? shownID : snapshot.text("Name")
        let time =
            switch detail {
            case .whole: created
            case .toTheMinute: ShortTime.minute(created)
            case .toTheDay: ShortTime.day(created)
            }
        return [
            name + (snapshot["Damage"] == nil ? "" : DamageNotes.mark),
            snapshot.flag("SourceDiskExists")
                ? snapshot.text("SourceDiskName") : snapshot.text("SourceDiskId"),
            snapshot.size("SizeBytes"), snapshot.size("StoredBytes"),
            snapshot.flag("Encrypted") ? "encrypted" : "plain", time, shownID,
        ]
    }
}
