import ControlPlane
import DiskEngine

/// A check's report, for people and for programs.
enum CheckText {
    static func text(_ report: CheckReport) -> String {
        var lines: [String] = []
        for finding in report.findings {
            lines.append(Table.printable(line(finding, report)))
            lines.append("  \(Table.printable(finding.advice))")
        }
        for lineage in report.unverified {
            let names = names(
                lineage.disks, lineage.snapshots, report.disks, report.snapshots)
            lines.append(
                Table.printable(
                    "not verified: \(names.joined(separator: ", ")): their key could not be had:"
                        + " \(lineage.reason)"))
        }
        let disks = count(report.disks.count, "disk")
        let snapshots = count(report.snapshots.count, "snapshot")
        lines.append(
            "Verified \(ByteSize.text(report.verifiedBytes)) of \(disks) and \(snapshots), in"
                + " \(count(report.chunks, "chunk file")).")
        return lines.joined(separator: "\n")
    }

    private static func line(_ finding: CheckFinding, _ report: CheckReport) -> String {
        let owner = names(
            [finding.disk].compactMap { $0 }, [finding.snapshot].compactMap { $0 },
            report.disks, report.snapshots)
        var line = "\(finding.severity.rawValue): "
        if let owner = owner.first { line += "\(owner): " }
        if finding.length > 0 {
            line += "bytes \(finding.offset) to \(finding.offset + finding.length): "
        }
        line += "\(finding.file): \(finding.cause)"
        let others = names(
            finding.disks, finding.snapshots, report.disks, report.snapshots)
        return others.isEmpty ? line : "\(line); also of \(others.joined(separator: ", "))"
    }

    private typealias Attributes = [String: String]

    /// `disk data`, `snapshot s-…`: by name where there is one.
    private static func names<Disk: Hashable, Snapshot: Hashable>(
        _ disks: [Disk], _ snapshots: [Snapshot], _ known: [Disk: Attributes],
        _ knownSnapshots: [Snapshot: Attributes]
    ) -> [String] {
        disks.map { "disk \(known[$0].flatMap(ResourceName.ofDisk) ?? "\($0)")" }
            + snapshots.map {
                "snapshot \(knownSnapshots[$0].flatMap(ResourceName.ofSnapshot) ?? "\($0)")"
            }
    }

    private static func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }

    static func json(_ report: CheckReport, of store: String) -> JSON {
        func ids<ID>(_ list: [ID]) -> JSON { .array(list.map { .string("\($0)") }) }
        let findings: [JSON] = report.findings.map { finding in
            var object: JSONObject = [
                "Severity": .string(finding.severity.rawValue),
                "Kind": .string(finding.kind.rawValue),
            ]
            object.append("DiskId", finding.disk.map { .string("\($0)") })
            object.append("SnapshotId", finding.snapshot.map { .string("\($0)") })
            object.append(
                [
                    "Offset": .integer(finding.offset), "Length": .integer(finding.length),
                    "File": .string(finding.file), "Cause": .string(finding.cause),
                    "DiskIds": ids(finding.disks), "SnapshotIds": ids(finding.snapshots),
                    "Recommend": .string(finding.advice),
                ] as JSONObject)
            return .object(object)
        }
        let unverified: [JSON] = report.unverified.map {
            .object([
                "DiskIds": ids($0.disks), "SnapshotIds": ids($0.snapshots),
                "Reason": .string($0.reason),
            ])
        }
        return .object([
            "Store": .string(store), "Damaged": .bool(report.isDamaged),
            "Disks": .integer(report.disks.count), "Snapshots": .integer(report.snapshots.count),
            "Chunks": .integer(report.chunks), "VerifiedBytes": .integer(report.verifiedBytes),
            "Findings": .array(findings), "Unverified": .array(unverified),
        ])
    }

    /// How it ends, if not well.
    static func failure(_ report: CheckReport) -> Failure? {
        let bad = report.findings.filter { $0.severity != .note }.count
        if bad > 0 {
            return Failure(
                .failed, "\(count(bad, "finding")) of damage.",
                advice: "What to do stands with each of them. Then check again.")
        }
        guard !report.unverified.isEmpty else { return nil }
        return Failure(
            incomplete: "Not everything was verified: \(count(report.unverified.count, "key"))"
                + " could not be had.",
            advice: "Say where the keys are: --keystore, --key-file, --passphrase-command.")
    }
}
