import DiskEngine
import DiskFormat

/// A disk and the name it goes by: its own where no other disk has it, else its id.
public struct NamedDisk: Sendable, Hashable {
    public let name: String
    public let summary: DiskSummary
}

/// A snapshot and the name it goes by.
public struct NamedSnapshot: Sendable, Hashable {
    public let name: String
    public let summary: SnapshotSummary
}

extension ControlPlane {
    /// All disks under the names that the mount and the command line show, oldest first.
    public func disks() throws(Refusal) -> [NamedDisk] {
        let disks = try engine(about: .store) { try store.disks() }
        let names = Self.uniqueNames(disks.map(\.givenName))
        return zip(disks, names).map { NamedDisk(name: $1 ?? $0.id.text, summary: $0) }
    }

    /// All snapshots under the names that the mount and the command line show, oldest first.
    public func snapshots() throws(Refusal) -> [NamedSnapshot] {
        let snapshots = try engine(about: .store) { try store.snapshots() }
        let names = Self.uniqueNames(snapshots.map(\.givenName))
        return zip(snapshots, names).map { NamedSnapshot(name: $1 ?? $0.id.text, summary: $0) }
    }

    /// The disk of that id or unique name.
    public func disk(_ name: String) throws(Refusal) -> NamedDisk {
        let all = try disks()
        let found = all.filter { $0.summary.id.text == name }
        if let disk = found.first { return disk }
        let named = all.filter { $0.summary.givenName == name }
        guard named.count <= 1 else {
            throw Self.ambiguous("DiskId", name, ids: named.map(\.summary.id.text), "disks")
        }
        guard let disk = named.first else {
            try refuseDamaged("disk", name)
            throw Self.missing(.diskNotFound, "disk", name, all.map(\.name), "`DescribeDisks`")
        }
        return disk
    }

    /// The snapshot of that id or unique name.
    public func snapshot(_ name: String) throws(Refusal) -> NamedSnapshot {
        let all = try snapshots()
        if let snapshot = all.first(where: { $0.summary.id.text == name }) { return snapshot }
        let named = all.filter { $0.summary.givenName == name }
        guard named.count <= 1 else {
            throw Self.ambiguous(
                "SnapshotId", name, ids: named.map(\.summary.id.text), "snapshots")
        }
        guard let snapshot = named.first else {
            try refuseDamaged("snapshot", name)
            throw Self.missing(
                .snapshotNotFound, "snapshot", name, all.map(\.name), "`DescribeSnapshots`")
        }
        return snapshot
    }

    /// Where records are damaged, a name that is not found may be that of one of them: to say that
    /// there is no such disk would be a lie.
    private func refuseDamaged(_ noun: String, _ name: String) throws(Refusal) {
        let damaged = store.damage().filter { resource, _ in
            resource.hasPrefix("\(noun) ") || resource.hasPrefix("lineage ")
        }.sorted { $0.key < $1.key }
        if let own = damaged.first(where: { $0.key == "\(noun) \(name)" }) {
            throw Refusal(.damaged, own.value, recommend: ErrorCode.damaged.usualRemedy)
        }
        guard !damaged.isEmpty else { return }
        let list = damaged.map { "\($0.key): \($0.value)" }.joined(separator: "; ")
        throw Refusal(
            .damaged,
            "No \(noun) that can be read is called '\(name)'. Damaged, and so without a name:"
                + " \(list).",
            recommend: ErrorCode.damaged.usualRemedy)
    }

    /// Runs a piece of the engine's work and puts its error in the words of the API.
    func engine<Result>(
        about subject: Subject, _ work: () throws -> Result
    ) throws(Refusal) -> Result {
        do {
            return try work()
        } catch {
            throw Refusal(error, about: subject)
        }
    }

    private static func uniqueNames(_ names: [String?]) -> [String?] {
        var counts: [String: Int] = [:]
        for case let name? in names { counts[name, default: 0] += 1 }
        return names.map { name in name.flatMap { counts[$0] == 1 ? $0 : nil } }
    }

    private static func ambiguous(
        _ parameter: String, _ name: String, ids: [String], _ noun: String
    ) -> Refusal {
        .parameter(
            parameter, "\(ids.count) \(noun) are called '\(name)': \(ids.joined(separator: ", ")).",
            recommend: "Name one of them by its id.")
    }

    private static func missing(
        _ code: ErrorCode, _ noun: String, _ name: String, _ names: [String], _ list: String
    ) -> Refusal {
        Refusal(
            code, "There is no \(noun) '\(name)' in this store.",
            recommend: Suggestion.nearest(to: name, among: names).map { "Did you mean \($0)?" }
                ?? "See which there are: \(list).")
    }
}
