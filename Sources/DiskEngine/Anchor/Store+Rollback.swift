import CryptoPrimitives
import DiskFormat
import KeyManagement

// What the anchor refuses. Two kinds of finding: something older than it was, which the operator
// may have put back himself and can accept, once and on record; and something that was exchanged,
// which no restored copy looks like and nothing accepts.
//
// A store that is newer than its anchor is not refused: only lower bounds are compared, and the
// session by which the anchor knows a disk, whose record every store keeps that has this anchor
// (`ReclamationPass.prune`). One that went on without it until that record was not needed any more
// looks like a fork, and has to be accepted as one.
extension Store {
    /// That a lineage is of the kind it was. Asked before its key is used.
    func checkKind(of id: LineageID, suite: Suite) throws {
        guard let known = freshness?.withRecord({ $0.lineages[id.description] }) else { return }
        guard known.suite == suite else {
            throw exchanged(
                "lineage \(id) was \(Self.word(known.suite)), and is \(Self.word(suite)) now")
        }
    }

    /// That a lineage's manifest, which is authentic, is as new as it was. `accepting`: the disk
    /// that is attached all the same, on record.
    func checkFreshness(
        of id: LineageID, suite: Suite, version: UInt64, accepting disk: DiskID?
    ) throws {
        guard let freshness else { return }
        let (known, isDeleted) = freshness.withRecord {
            ($0.lineages[id.description], $0.isDeleted(id))
        }
        var finding: String?
        if isDeleted {
            finding = "lineage \(id) was deleted, and is there again"
        } else if let known, version < known.version {
            finding =
                "lineage \(id) was at version \(known.version) of its manifest, and is at version"
                + " \(version) now"
        }
        guard let finding else { return }
        try accept(finding, for: disk)
        freshness.note {
            $0.set(id, .init(version: version, suite: suite))
            return true
        }
    }

    /// That a disk, whose manifest is authentic, is the one it was and its record as new.
    func checkFreshness(
        of id: DiskID, version: UInt64, in lineage: Lineage, accepting: Bool
    ) throws {
        guard let freshness else { return }
        let (known, isDeleted, suite) = freshness.withRecord { record in
            let known = record.disks[id.text]
            let suite = known.flatMap { record.lineages[$0.lineage.description]?.suite }
            return (known, record.isDeleted(id), suite)
        }
        if let known, known.lineage != lineage.id {
            throw exchanged(
                "disk \(id) was \(suite.map(Self.word) ?? "a disk") of lineage \(known.lineage),"
                    + " and is \(Self.word(lineage.keys.suite)) of lineage \(lineage.id) now")
        }
        let finding =
            try isDeleted
            ? "disk \(id) was deleted, and is there again"
            : known.flatMap { try older(id, than: $0, version: version, in: lineage) }
        guard let finding else { return }
        try accept(finding, for: accepting ? id : nil)
        freshness.note {
            $0.accept(id)
            return true
        }
    }

    private func older(
        _ id: DiskID, than known: FreshnessRecord.DiskFacts, version: UInt64, in lineage: Lineage
    ) throws -> String? {
        if version < known.manifestVersion {
            return "disk \(id) was at version \(known.manifestVersion) of its manifest, and is at"
                + " version \(version) now"
        }
        guard let number = known.session else { return nil }
        let sessions = lineage.sessions(of: id)
        if let session = sessions.first(where: { $0.number == number }) {
            guard try FreshnessRecord.DiskFacts.hash(session.stamp) == known.saltHash else {
                return "session \(number) of disk \(id) is another than it was: a copy of the store"
                    + " was used elsewhere"
            }
        } else if sessions.last?.number ?? 0 < number {
            return "disk \(id) was written in session \(number), of which its lineage knows nothing"
        } else {
            return
                "session \(number) of disk \(id), by which its anchor knows it, is not recorded any"
                + " more: a copy of the store was used elsewhere, or the store without its anchor"
        }
        return nil
    }

    /// That a disk's log is as long as it was known to be durable.
    func checkFreshness(of id: DiskID, end: LogPosition?, accepting: Bool) throws {
        guard let freshness,
            let known = freshness.withRecord({ $0.disks[id.text]?.durable }),
            end.map({ $0.isBefore(known) }) ?? true
        else { return }
        func text(_ place: LogPosition) -> String { "slot \(place.slot) of chunk \(place.chunk)" }
        try accept(
            "the log of disk \(id) was durable up to \(text(known)), and ends"
                + " \(end.map { "at \(text($0))" } ?? "before it begins") now",
            for: accepting ? id : nil)
        freshness.note {
            $0.accept(id)
            return true
        }
    }

    /// That a snapshot is where it was, and was not deleted.
    func checkFreshness(of id: SnapshotID, in lineage: Lineage) throws {
        guard let freshness else { return }
        let (known, isDeleted) = freshness.withRecord { ($0.snapshots[id.text], $0.isDeleted(id)) }
        if let known, known != lineage.id {
            throw exchanged(
                "snapshot \(id) was of lineage \(known), and is of lineage \(lineage.id) now")
        }
        if isDeleted { try accept("snapshot \(id) was deleted, and is there again", for: nil) }
        freshness.note { $0.note(id, in: lineage.id, isNew: false) }
    }

    /// Takes deleted snapshots of a lineage that are there again for what they are, on record.
    func acceptSnapshots(of lineage: LineageID, for disk: DiskID) throws {
        guard let freshness else { return }
        let all = monitor.withLock {
            catalogue.snapshots.values.filter { $0.lineage == lineage }.map(\.manifest.id)
        }
        let back = freshness.withRecord { record in all.filter { record.isDeleted($0) } }
        guard !back.isEmpty else { return }
        try accept("\(back.count) deleted snapshots are there again", for: disk)
        freshness.note { record in
            for id in back { _ = record.note(id, in: lineage, isNew: true) }
            return true
        }
    }

    /// Throws the finding, unless it is accepted; then it is on record when this returns. Called
    /// with no lock held where it may be accepted: the record is the KMS's.
    private func accept(_ finding: String, for disk: DiskID?) throws {
        guard let disk else {
            throw DiskError(
                .rolledBack,
                "\(finding) (freshness anchor \(freshness?.place ?? "")): the store, or a part of"
                    + " it, was put back to an earlier state")
        }
        do {
            try keys.note(KeyUse(action: "AcceptRollback", resource: disk.text))
        } catch {
            throw DiskError.wrap(error, while: "recording that a rollback is accepted (\(finding))")
        }
    }

    private func exchanged(_ finding: String) -> DiskError {
        DiskError(
            .rolledBack,
            "\(finding) (freshness anchor \(freshness?.place ?? "")): it was exchanged for another,"
                + " which cannot be accepted")
    }

    private static func word(_ suite: Suite) -> String { suite == .plain ? "plain" : "encrypted" }
}
