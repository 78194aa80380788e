import DiskFormat

// What to do about what was found, in the order in which it is to be tried.
extension LineageCheck {
    func advise(from first: Int) {
        let damaged = report.findings[first...].filter { $0.severity == .damage }
        let hit = Set(damaged.flatMap { $0.snapshots + [$0.snapshot].compactMap { $0 } })
        for index in report.findings.indices.dropFirst(first)
        where report.findings[index].advice.isEmpty {
            report.findings[index].advice = advice(for: report.findings[index], damaged: hit)
        }
    }

    private func advice(for finding: CheckFinding, damaged: Set<SnapshotID>) -> String {
        let restore = "Put \(finding.file) back from a copy of the store"
        if finding.kind == .checkpoint, finding.severity == .warning {
            return "\(restore); or attach the disk, write to it and detach it: two new checkpoints"
                + " take the place of these."
        }
        if finding.severity == .warning { return "\(restore)." }
        guard finding.kind != .manifest else {
            return "\(restore), with lineage.manifest of the same copy if that is damaged, too."
        }
        if let snapshot = finding.snapshot {
            return "\(restore). Without one, copy what reads, and delete the snapshot: sealdisk"
                + " snapshot delete \(snapshot)"
        }
        guard let disk = finding.disk else { return "\(restore)." }
        let whole = snapshotManifests.values
            .filter { $0.disk == disk && !damaged.contains($0.id) }
            .max { ($0.created, $0.order ?? 0) < ($1.created, $1.order ?? 0) }
        let cannotAttach = finding.kind == .log || finding.kind == .checkpoint
        var advice = "\(restore)."
        if !cannotAttach {
            advice += " Without one, copy what reads: dd conv=noerror,sync, or ddrescue."
        }
        guard let whole else { return advice }
        return advice
            + (cannotAttach
                ? " Without one, make a disk of the last whole snapshot: sealdisk disk create NAME"
                    + " --snapshot \(whole.id)"
                : " Or go back to the last whole snapshot: sealdisk disk reset \(disk) --snapshot"
                    + " \(whole.id)")
    }
}
