import ControlPlane

/// What a list or a description says of damage: reads that met it (`Damage` of a disk or snapshot),
/// and records that make no sense (`Damaged` of the reply). It is told beside the outcome, on
/// standard error: the outcome itself is not a failure.
struct DamageNotes {
    /// Behind a resource's status in a list.
    static let mark = "!"

    private var lines: [String] = []

    /// - Parameters:
    ///   - noun: `disk` or `snapshot`.
    ///   - resources: as the reply describes them.
    init(noun: String, resources: [JSON], unlisted: [JSON]) {
        for resource in resources {
            guard let damage = resource["Damage"]?.string else { continue }
            note("\(noun) \(resource.text("Name"))", damage, Self.remedy(noun, resource))
        }
        for record in unlisted {
            note(
                record.text("Resource"), record.text("Cause"),
                "It cannot be listed: restore its records from a copy of the store.")
        }
    }

    /// What is damaged, where, and what to do; empty if nothing is.
    var text: String { lines.joined() }

    func tell() {
        if !lines.isEmpty { Terminal.complain(text) }
    }

    private mutating func note(_ what: String, _ cause: String, _ remedy: String) {
        lines.append(
            "sealdisk: \(Table.printable(what)) is damaged: \(Table.printable(cause))\n"
                + "\(Table.printable(remedy))\n")
    }

    private static func remedy(_ noun: String, _ resource: JSON) -> String {
        let copy = "Restore the file that is named from a copy of the store"
        guard noun == "disk" else { return copy + ", or do without this snapshot." }
        guard resource.count("SnapshotCount") > 0 else { return copy + "." }
        return copy + ", or roll the disk back: sealdisk disk reset \(resource.text("Name"))"
            + " --snapshot NAME"
    }
}
