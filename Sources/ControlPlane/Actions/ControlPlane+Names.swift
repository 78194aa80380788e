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

    /// The disk of that id, unique name, or unique beginning of an id. The first two without a look
    /// at any other.
    public func disk(_ name: String) throws(Refusal) -> NamedDisk {
        if let id = DiskID(name), let whole = try? store.disk(id) { return named(whole) }
        let called = disks(called: name)
        guard called.count <= 1 else {
            throw Self.ambiguous(.disk, "are called '\(name)'", ids: called.map(\.id.text))
        }
        if let one = called.first { return named(one) }
        let ids = store.diskAttributes().map(\.id)
        if let begun = try Self.find(name, amongIDs: ids.map(\.text), .disk),
            let disk = try? store.disk(ids[begun])
        {
            return named(disk)
        }
        try refuseDamaged("disk", name)
        let names = try disks().map(\.name)
        throw Self.missing(.diskNotFound, "disk", name, names, "`DescribeDisks`")
    }

    /// The same for a snapshot.
    public func snapshot(_ name: String) throws(Refusal) -> NamedSnapshot {
        if let id = SnapshotID(name), let whole = try? store.snapshot(id) { return named(whole) }
        let called = snapshots(called: name)
        guard called.count <= 1 else {
            throw Self.ambiguous(.snapshot, "are called '\(name)'", ids: called.map(\.id.text))
        }
        if let one = called.first { return named(one) }
        let ids = store.snapshotAttributes().map(\.id)
        if let begun = try Self.find(name, amongIDs: ids.map(\.text), .snapshot),
            let snapshot = try? store.snapshot(ids[begun])
        {
            return named(snapshot)
        }
        try refuseDamaged("snapshot", name)
        let names = try snapshots().map(\.name)
        throw Self.missing(.snapshotNotFound, "snapshot", name, names, "`DescribeSnapshots`")
    }

    /// Disks with a name, in the order of their ids.
    func disks(called name: String) -> [DiskSummary] {
        store.disks(withAttribute: Attribute.diskName, name)
            .filter { $0.givenName == name }.sorted { $0.id < $1.id }
    }

    func snapshots(called name: String) -> [SnapshotSummary] {
        store.snapshots(withAttribute: Attribute.snapshotName, name)
            .filter { $0.givenName == name }.sorted { $0.id < $1.id }
    }

    private func named(_ disk: DiskSummary) -> NamedDisk {
        let name = disk.givenName.flatMap { disks(called: $0).count == 1 ? $0 : nil }
        return NamedDisk(name: name ?? disk.id.text, summary: disk)
    }

    private func named(_ snapshot: SnapshotSummary) -> NamedSnapshot {
        let name = snapshot.givenName.flatMap { snapshots(called: $0).count == 1 ? $0 : nil }
        return NamedSnapshot(name: name ?? snapshot.id.text, summary: snapshot)
    }

    enum Noun: String {
        case disk, snapshot

        var parameter: String { self == .disk ? "DiskId" : "SnapshotId" }
    }

    /// The index of the one id that begins so; nil if there is none. Asked last: neither a whole id
    /// nor a name is shadowed by what is made later.
    private static func find(
        _ name: String, amongIDs ids: [String], _ noun: Noun
    ) throws(Refusal) -> Int? {
        guard name.utf8.count >= ResourceName.shortestIDPrefix else { return nil }
        let begun = ids.indices.filter { ids[$0].hasPrefix(name) }
        guard begun.count <= 1 else {
            throw ambiguous(noun, "have ids beginning with '\(name)'", ids: begun.map { ids[$0] })
        }
        return begun.first
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

    /// Runs a piece of the engine's work and puts its error in the words of the API, with the names
    /// that disks and snapshots go by: the engine knows ids alone.
    func engine<Result>(
        about subject: Subject, _ work: () throws -> Result
    ) throws(Refusal) -> Result {
        do {
            return try work()
        } catch {
            let refusal = Refusal(error, about: subject)
            throw Refusal(refusal, message: withNames(refusal.message))
        }
    }

    /// A message of the engine's or the mounted tree's, with names in place of ids.
    func withNames(_ message: String) -> String {
        message.replacing(/disk (d-[0-9a-z]{20})/) { match in
            let name = DiskID(String(match.1)).flatMap { try? store.disk($0) }
                .map { named($0).name }
            return name.flatMap { $0 == match.1 ? nil : "disk '\($0)'" } ?? String(match.0)
        }.replacing(/snapshot (s-[0-9a-z]{20})/) { match in
            let name = SnapshotID(String(match.1)).flatMap { try? store.snapshot($0) }
                .map { named($0).name }
            return name.flatMap { $0 == match.1 ? nil : "snapshot '\($0)'" } ?? String(match.0)
        }
    }

    private static func uniqueNames(_ names: [String?]) -> [String?] {
        var counts: [String: Int] = [:]
        for case let name? in names { counts[name, default: 0] += 1 }
        return names.map { name in name.flatMap { counts[$0] == 1 ? $0 : nil } }
    }

    private static func ambiguous(_ noun: Noun, _ what: String, ids: [String]) -> Refusal {
        .parameter(
            noun.parameter, "\(ids.count) \(noun)s \(what): \(ids.joined(separator: ", ")).",
            recommend: "Name one of them by its whole id.")
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
