import DiskEngine
import DiskFormat

// Verifying what is stored, a piece with every request: whoever asks decides how fast.
extension ControlPlane {
    func scrubDisk(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let found = try disk(try arguments.required("DiskId"))
        let piece = try ScrubArguments(arguments, self)
        let result = try engine(about: .disk(found.name)) {
            try store.scrub(
                found.summary.id, since: piece.base?.summary.id, from: piece.start,
                limit: piece.limit)
        }
        var fields = reply(
            ["DiskId": .string(found.summary.id.text)], result, piece, size: found.summary.size)
        if result.next == nil {
            fields.append("SinceCheckpointBytes", .integer(bytesSinceCheckpoint(found.summary.id)))
        }
        return fields
    }

    /// At most so many were written since the disk's last checkpoint: no scrub reads those.
    private func bytesSinceCheckpoint(_ id: DiskID) -> UInt64 {
        let disk = store.status().disks.first { $0.id == id.text }
        return (disk?.slotsSinceCheckpoint ?? 0) * UInt64(Format.blockSize)
    }

    func scrubSnapshot(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let found = try snapshot(try arguments.required("SnapshotId"))
        let piece = try ScrubArguments(arguments, self)
        let result = try engine(about: .snapshot(found.name)) {
            try store.scrub(
                found.summary.id, since: piece.base?.summary.id, from: piece.start,
                limit: piece.limit)
        }
        return reply(
            ["SnapshotId": .string(found.summary.id.text)], result, piece,
            size: found.summary.size)
    }

    private struct ScrubArguments {
        let base: NamedSnapshot?
        let start: UInt64
        let limit: UInt64

        init(_ arguments: Arguments, _ plane: ControlPlane) throws(Refusal) {
            let name = try arguments.text("BaseSnapshotId")
            if let name { base = try plane.snapshot(name) } else { base = nil }
            start = UInt64(
                try arguments.integer("StartOffset", in: 0...Int(Format.maximumDiskSize)) ?? 0)
            limit = UInt64(try arguments.integer("MaxBytes", in: 4096...1 << 30) ?? 16 << 20)
        }
    }

    private func reply(
        _ subject: JSONObject, _ result: ScrubResult, _ piece: ScrubArguments, size: UInt64
    ) -> JSONObject {
        var reply = subject
        reply.append("BaseSnapshotId", .string(piece.base?.summary.id.text ?? ""))
        reply.append("SizeBytes", .integer(size))
        reply.append("VerifiedBytes", .integer(result.verifiedBytes))
        reply.append("Findings", .object(["Finding": .array(result.findings.map(fields))]))
        reply.append("NextOffset", result.next.map { .integer($0) })
        return reply
    }

    private func fields(of finding: ScrubFinding) -> JSON {
        .object([
            "Kind": .string(finding.kind.rawValue),
            "Offset": .integer(finding.offset),
            "Length": .integer(finding.length),
            "ChunkFile": .string(finding.chunkFile),
            "Cause": .string(withNames(finding.cause)),
            "SnapshotIds": .array(finding.snapshots.map { .string($0.text) }),
            "DiskIds": .array(finding.disks.map { .string($0.text) }),
        ])
    }
}
