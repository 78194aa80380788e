import DiskEngine
import DiskFormat
import KeyManagement

extension ControlPlane {
    func describeDisks(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let name = try arguments.text("DiskId")
        var found = if let name { [try disk(name)] } else { try disks() }
        if let names = try arguments.list("DiskIds") {
            found.removeAll { !names.contains($0.summary.id.text) && !names.contains($0.name) }
        }
        if let pattern = try arguments.text("DiskName") {
            found.removeAll { !Self.matches($0.summary.givenName ?? "", pattern) }
        }
        if let encrypted = try arguments.flag("Encrypted") {
            found.removeAll { $0.summary.isEncrypted != encrypted }
        }
        if let status = try arguments.text("Status") {
            let known = DiskStatus.allCases.map(\.rawValue)
            guard known.contains(status) || status == "All" else {
                throw .parameter(
                    "Status", "A disk is never '\(status)'.",
                    recommend: "Use one of \(known.joined(separator: ", ")), All.")
            }
            found.removeAll { status != "All" && self.status(of: $0.summary).rawValue != status }
        }
        if let category = try arguments.text("Category") {
            found.removeAll { DiskCategory.of($0.summary.attributes).name != category }
        }
        if let name = try arguments.text("InstanceId") {
            let id = try instance(name).id
            found.removeAll { !places(of: $0.summary).contains { $0.instance == id } }
        }
        if let snapshot = try arguments.text("SnapshotId") {
            let id = try self.snapshot(snapshot).summary.id
            found.removeAll { $0.summary.sourceSnapshot != id }
        }
        var reply = try page(found, arguments, list: "Disks", element: "Disk", fields)
        reply.append(
            "Damaged",
            try damaged("disk") { () throws(Refusal) in try disks().map(\.summary.id.text) })
        return reply
    }

    func describeSnapshots(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let name = try arguments.text("SnapshotId")
        // One is found without a look at all others.
        var found = if let name { [try snapshot(name)] } else { try snapshots() }
        let disks = try disks()
        let usedBy = Set(disks.compactMap(\.summary.sourceSnapshot))
        let names = Dictionary(
            disks.map { ($0.summary.id, $0.name) }, uniquingKeysWith: { first, _ in first })
        if let names = try arguments.list("SnapshotIds") {
            found.removeAll { !names.contains($0.summary.id.text) && !names.contains($0.name) }
        }
        if let disk = try arguments.text("DiskId") {
            let id = try diskOfSnapshots(disk, among: found)
            found.removeAll { $0.summary.disk != id }
        }
        if let pattern = try arguments.text("SnapshotName") {
            found.removeAll { !Self.matches($0.summary.givenName ?? "", pattern) }
        }
        if let encrypted = try arguments.flag("Encrypted") {
            found.removeAll { $0.summary.isEncrypted != encrypted }
        }
        var reply = try page(found, arguments, list: "Snapshots", element: "Snapshot") {
            Self.fields(
                of: $0, diskName: names[$0.summary.disk], isSource: usedBy.contains($0.summary.id))
        }
        reply.append(
            "Damaged",
            try damaged("snapshot") { () throws(Refusal) in
                try snapshots().map(\.summary.id.text)
            })
        reply.append("Imports", unfinishedImports)
        return reply
    }

    /// Resources that cannot be listed, since their records make no sense; nil if there are none.
    private func damaged(_ noun: String, but listed: () throws(Refusal) -> [String])
        throws(Refusal) -> JSON?
    {
        let all = store.damage().filter { resource, _ in
            resource.hasPrefix("\(noun) ") || resource.hasPrefix("lineage ")
        }
        if all.isEmpty { return nil }
        let shown = Set(try listed())
        let damaged = all.filter { !shown.contains(String($0.key.dropFirst(noun.count + 1))) }
            .sorted { $0.key < $1.key }
        guard !damaged.isEmpty else { return nil }
        return .array(
            damaged.map { .object(["Resource": .string($0.key), "Cause": .string($0.value)]) })
    }

    /// The disk that a filter names: also one that is gone and has left snapshots, by its id.
    private func diskOfSnapshots(
        _ name: String, among snapshots: [NamedSnapshot]
    ) throws(Refusal) -> DiskID {
        let disks = Set(snapshots.map(\.summary.disk))
        if let id = DiskID(name), disks.contains(id) { return id }
        do {
            return try disk(name).summary.id
        } catch {
            let begun = disks.filter { $0.text.hasPrefix(name) }
            guard error.code == ErrorCode.diskNotFound.rawValue, begun.count == 1,
                name.utf8.count >= ResourceName.shortestIDPrefix, let id = begun.first
            else { throw error }
            return id
        }
    }

    /// One page of a list, as the API pages it: by PageNumber and PageSize, or by MaxResults and
    /// the NextToken of the page before; without either all of it.
    func page<Element>(
        _ all: [Element], _ arguments: Arguments, list: String, element: String,
        _ fields: (Element) -> JSONObject
    ) throws(Refusal) -> JSONObject {
        let size = try arguments.integer("PageSize", in: 1...100)
        let number = try arguments.integer("PageNumber", in: 1...1_000_000) ?? 1
        let results = try arguments.integer("MaxResults", in: 1...500)
        let token = try arguments.text("NextToken")
        guard results == nil && token == nil || size == nil else {
            throw .parameter(
                "NextToken", "Pages are told by numbers or by tokens, not by both.",
                recommend: "Give `MaxResults` with `NextToken`, or `PageSize` with `PageNumber`.")
        }
        let start =
            try token.map { token throws(Refusal) in
                try Self.start(ofPage: token, in: all.count)
            } ?? (number - 1) * (size ?? all.count)
        let length = results ?? size ?? (token == nil ? max(all.count, 1) : 50)
        let shown = all.dropFirst(start).prefix(length)
        var reply: JSONObject = [
            "RegionId": .string(store.identity.region),
            "TotalCount": .integer(all.count),
            "PageNumber": .integer(number),
            "PageSize": .integer(size ?? results ?? all.count),
            list: .object([element: .array(shown.map { .object(fields($0)) })]),
        ]
        let isMore = (results != nil || token != nil) && start + length < all.count
        reply.append("NextToken", isMore ? .string("\(start + length)") : nil)
        return reply
    }

    /// A token is the place where a page begins, in a list whose order never changes.
    private static func start(ofPage token: String, in count: Int) throws(Refusal) -> Int {
        if let start = Int(token), (0...max(count, 0)).contains(start) { return start }
        throw .parameter(
            "NextToken", "'\(token)' is no token of a page before.",
            recommend: "Give the `NextToken` of the last reply as it is.")
    }

    private func fields(of disk: NamedDisk) -> JSONObject {
        let summary = disk.summary
        let places = places(of: summary)
        var fields: JSONObject = [
            "DiskId": .string(summary.id.text),
            "DiskName": .string(summary.givenName ?? ""),
            "Name": .string(disk.name),
            "Description": .string(summary.attributes[Attribute.description] ?? ""),
            "RegionId": .string(store.identity.region),
            "Type": "data",
            "Category": .string(DiskCategory.of(summary.attributes).name),
            "Size": .integer(Self.gibibytes(summary.size)),
            "SizeBytes": .integer(summary.size),
            "StoredBytes": .integer(summary.storedBytes),
            "Encrypted": .bool(summary.isEncrypted),
            "Status": .string(status(of: summary).rawValue),
            "InstanceId": .string(places.first?.instance.text ?? ""),
            "Device": .string(places.first?.device ?? ""),
            "Attachments": .object([
                "Attachment": .array(
                    places.map {
                        .object([
                            "InstanceId": .string($0.instance.text), "Device": .string($0.device),
                        ])
                    })
            ]),
            "Open": .bool(summary.isAttached),
            "MultiAttach": .bool(summary.instanceLimit > 1),
            "DeleteWithInstance": .bool(summary.has(Attribute.deleteWithInstance)),
            "DeleteAutoSnapshot": .bool(summary.has(Attribute.deleteAutoSnapshot)),
            "LimitSpeed": .bool(summary.has(Attribute.limitSpeed)),
            "AutoSnapshotPolicyId": .string(policy(of: summary.id)?.text ?? ""),
            "SourceSnapshotId": .string(summary.sourceSnapshot?.text ?? ""),
            "KMSKeyId": .string(summary.keyID ?? ""),
            "CreationTime": .string("\(summary.created)"),
            "SnapshotCount": .integer(summary.snapshotCount),
            "Lineage": .string("\(summary.lineage)"),
            "Verified": .bool(summary.isVerified),
        ]
        fields.append(
            "HeldElsewhere",
            store.holderElsewhere(of: summary.lineage).map { .string($0) })
        fields.append("PendingSizeBytes", summary.pendingSize.map { .integer($0) })
        fields.append("Damage", summary.damage?.first.map { .string($0) })
        return fields
    }

    private static func fields(
        of snapshot: NamedSnapshot, diskName: String?, isSource: Bool
    ) -> JSONObject {
        let summary = snapshot.summary
        var fields: JSONObject = [
            "SnapshotId": .string(summary.id.text),
            "SnapshotName": .string(summary.givenName ?? ""),
            "Name": .string(snapshot.name),
            "Description": .string(summary.attributes[Attribute.description] ?? ""),
            "SourceDiskId": .string(summary.disk.text),
            "SourceDiskName": .string(diskName ?? ""),
            "SourceDiskExists": .bool(summary.diskExists),
            "SourceDiskType": "data",
            "SourceDiskSize": .string("\(gibibytes(summary.size))"),
            "SizeBytes": .integer(summary.size),
            "StoredBytes": .integer(summary.storedBytes),
            "Encrypted": .bool(summary.isEncrypted),
            "KMSKeyId": .string(summary.keyID ?? ""),
            "Status": "accomplished",
            "Progress": "100%",
            "Available": true,
            "Usage": .string(isSource ? "disk" : "none"),
            "CreationTime": .string("\(summary.created)"),
            "Lineage": .string("\(summary.lineage)"),
            "Openable": .bool(summary.isOpenable),
            "Verified": .bool(summary.isVerified),
        ]
        fields.append("Damage", summary.damage?.first.map { .string($0) })
        return fields
    }

    /// The API knows whole GiB: rounded up. `SizeBytes` is exact.
    private static func gibibytes(_ bytes: UInt64) -> UInt64 {
        let unit: UInt64 = 1 << 30
        return bytes / unit + (bytes.isMultiple(of: unit) ? 0 : 1)
    }

    /// A name as a filter: itself, or with `*` for any characters at its beginning, end or both.
    static func matches(_ name: String, _ pattern: String) -> Bool {
        let core = pattern.split(separator: "*").joined(separator: "*")
        switch (pattern.hasPrefix("*"), pattern.hasSuffix("*")) {
        case (true, true): return core.isEmpty || name.contains(core)
        case (true, false): return name.hasSuffix(core)
        case (false, true): return name.hasPrefix(core)
        case (false, false): return name == pattern
        }
    }
}

extension DiskSummary {
    /// Whether a flag of its record is set.
    func has(_ flag: String) -> Bool { attributes[flag] == "true" }
}
