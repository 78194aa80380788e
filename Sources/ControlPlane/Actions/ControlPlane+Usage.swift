import DiskEngine
import DiskFormat

// What snapshots differ in, and what they take.
extension ControlPlane {
    /// Where a snapshot differs from an older one, in pages.
    func describeSnapshotChanges(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let newer = try snapshot(try arguments.required("SnapshotId"))
        var older: NamedSnapshot?
        if let base = try arguments.text("BaseSnapshotId") { older = try snapshot(base) }
        let start = try arguments.integer("StartOffset", in: 0...Int(Format.maximumDiskSize)) ?? 0
        let most = try arguments.integer("MaxResults", in: 1...10_000) ?? 1000
        let (changes, next) = try engine(about: .snapshot(newer.name)) {
            let reader = try store.openSnapshot(newer.summary.id)
            defer { reader.close() }
            let base = try older.map { try store.openSnapshot($0.summary.id) }
            defer { base?.close() }
            return try reader.changes(since: base, from: UInt64(start), limit: most)
        }
        var reply: JSONObject = [
            "SnapshotId": .string(newer.summary.id.text),
            "BaseSnapshotId": .string(older?.summary.id.text ?? ""),
            "SizeBytes": .integer(newer.summary.size),
            "Changes": .object([
                "Change": .array(
                    changes.map {
                        .object([
                            "Offset": .integer($0.offset), "Length": .integer($0.length),
                            "Kind": $0.isHole ? "zero" : "data",
                        ])
                    })
            ]),
        ]
        reply.append("NextOffset", next.map { .integer($0) })
        return reply
    }

    /// What a disk holds, and what it alone holds.
    func describeDiskUsage(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let found = try disk(try arguments.required("DiskId"))
        let exclusive = try engine(about: .disk(found.name)) {
            try store.exclusiveBytes(of: found.summary.id)
        }
        return [
            "DiskId": .string(found.summary.id.text),
            "SizeBytes": .integer(found.summary.size),
            "StoredBytes": .integer(found.summary.storedBytes),
            "ExclusiveBytes": .integer(exclusive),
        ]
    }

    /// How many snapshots there are, and what they hold; of one, what it alone holds.
    func describeSnapshotsUsage(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        if let name = try arguments.text("SnapshotId") {
            let found = try snapshot(name)
            let exclusive = try engine(about: .snapshot(found.name)) {
                try store.exclusiveBytes(of: found.summary.id)
            }
            return [
                "SnapshotId": .string(found.summary.id.text),
                "SnapshotCount": .integer(1),
                "SnapshotSize": .integer(found.summary.storedBytes),
                "ExclusiveBytes": .integer(exclusive),
            ]
        }
        let all = try snapshots()
        return [
            "SnapshotCount": .integer(all.count),
            "SnapshotSize": .integer(all.reduce(UInt64(0)) { $0 + $1.summary.storedBytes }),
        ]
    }
}
