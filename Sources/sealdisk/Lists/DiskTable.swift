import ControlPlane

/// The list of disks, whole or at the width of a terminal.
struct DiskTable {
    /// How much a row tells; ids are cut in all but the first.
    private enum Detail: CaseIterable { case whole, toTheMinute, toTheDay, least }

    private let disks: [JSON]
    private let ids: ShortID

    /// - Parameter all: every disk's id, among which a short one has to be told apart.
    init(_ disks: [JSON], among all: [String]) {
        self.disks = disks
        ids = ShortID(among: all)
    }

    /// As the cloud names it; of a disk that nobody has, but whose lineage another host works with,
    /// that it cannot be had here.
    static func standing(of disk: JSON) -> String {
        let status = disk.text("Status")
        return status == "Available" && disk["HeldElsewhere"] != nil ? "Elsewhere" : status
    }

    /// The same, marked if it is damaged.
    static func status(of disk: JSON) -> String {
        standing(of: disk) + (disk["Damage"] == nil ? "" : DamageNotes.mark)
    }

    /// For who is not a terminal.
    var whole: Table { table(.whole) }

    /// The most that fits `width` columns; whole where nothing limits it.
    func table(width: Int?) -> Table { Table.fitting(width, Detail.allCases.map(table)) }

    private func table(_ detail: Detail) -> Table {
        var columns: [Table.Column] = [
            .left("NAME", mayShrink: true), .right("SIZE"), .right("STORED"), .left("KIND"),
            .left("STATUS"),
        ]
        if detail != .least {
            columns += [.right(detail == .whole ? "SNAPSHOTS" : "SNAPS"), .left("CREATED")]
        }
        return Table(columns + [.left("ID")], rows: disks.map { cells($0, detail) })
    }

    private func cells(_ disk: JSON, _ detail: Detail) -> [String] {
        let id = disk.text("DiskId")
        // A disk without a name goes by its id.
        let name = disk.text("Name") == id && detail != .whole ? ids.text(id) : disk.text("Name")
        let first = [
            name, disk.size("SizeBytes"), disk.size("StoredBytes"),
            disk.flag("Encrypted") ? "encrypted" : "plain",
            Self.status(of: disk),
        ]
        let (count, time) = ("\(disk.count("SnapshotCount"))", disk.text("CreationTime"))
        switch detail {
        case .whole: return first + [count, time, id]
        case .toTheMinute: return first + [count, ShortTime.minute(time), ids.text(id)]
        case .toTheDay: return first + [count, ShortTime.day(time), ids.text(id)]
        case .least: return first + [ids.text(id)]
        }
    }
}
