import ControlPlane

/// What of a store cannot be read any more without its customer master key.
struct KeyDependents {
    private var disks: [JSON]
    private var snapshots: [JSON]
    private var images: [JSON]

    init(_ client: Client) throws(Failure) {
        (disks, snapshots) = try client.everything()
        images =
            try client.ask(Request("DescribeImages")).fields["Images"]?["Image"]?.array ?? []
    }

    /// Those whose data keys are wrapped under that key; an image if one of its snapshots' is.
    func of(_ keyID: String) -> KeyDependents {
        var found = self
        found.disks.removeAll { $0.text("KMSKeyId") != keyID }
        found.snapshots.removeAll { $0.text("KMSKeyId") != keyID }
        let ids = Set(found.snapshots.map { $0.text("SnapshotId") })
        found.images.removeAll { image in
            !Self.members(of: image).contains { ids.contains($0.text("SnapshotId")) }
        }
        return found
    }

    private static func members(of image: JSON) -> [JSON] {
        image["DiskDeviceMappings"]?["DiskDeviceMapping"]?.array ?? []
    }

    private static func bytes(of image: JSON) -> UInt64 {
        members(of: image).reduce(0) { $0 + $1.count("SizeBytes") }
    }

    var table: Table {
        func row(_ kind: String, _ one: JSON, _ id: String, stored: String) -> [String] {
            [kind, one.text("Name"), one.text(id), one.size("SizeBytes"), stored]
        }
        return Table(
            [
                .left("KIND"), .left("NAME", mayShrink: true), .left("ID", mayShrink: true),
                .right("SIZE"), .right("STORED"),
            ],
            rows: disks.map { row("disk", $0, "DiskId", stored: $0.size("StoredBytes")) }
                + snapshots.map {
                    row("snapshot", $0, "SnapshotId", stored: $0.size("StoredBytes"))
                }
                + images.map {
                    [
                        "image", $0.text("Name"), $0.text("ImageId"),
                        ByteSize.text(Self.bytes(of: $0)), "-",
                    ]
                })
    }

    var summary: String {
        "\(disks.count) disks, \(snapshots.count) snapshots and \(images.count) images of this"
            + " store cannot be read without this key."
    }

    var json: JSON {
        func list(_ all: [JSON], _ id: String) -> JSON {
            .array(
                all.map { one in
                    var fields: JSONObject = [
                        id: .string(one.text(id)), "Name": .string(one.text("Name")),
                    ]
                    fields.append("SizeBytes", one["SizeBytes"])
                    fields.append("StoredBytes", one["StoredBytes"])
                    return .object(fields)
                })
        }
        return .object([
            "Disks": list(disks, "DiskId"), "Snapshots": list(snapshots, "SnapshotId"),
            "Images": list(images, "ImageId"),
        ])
    }
}
