import ControlPlane
import DiskEngine

/// What a check found, for people and for programs.
enum SealedReport {
    static func text(_ report: SealedSnapshotReport) -> String {
        var details = Details()
        details.add("Snapshot", report.snapshot)
        details.add("Base", report.base ?? "")
        details.add("Disk", report.disk)
        details.add("Size", "\(ByteSize.text(report.size)) (\(report.size) bytes)")
        details.add("Stored", ByteSize.text(report.storedBytes))
        details.add("Encryption", report.isEncrypted ? "AES-256-GCM" : "none")
        details.add("Key", report.keyID ?? "")
        details.add("Created", "\(report.created)")
        details.add("File", "\(report.fileSize) bytes")
        details.add("SHA-256", report.digest)
        details.add(
            "Checked",
            report.isAuthentic
                ? report.isEncrypted ? "every byte, with the key" : "every byte, by checksums"
                : "structure and hashes; not authenticated (--with-key)")
        return details.text
    }

    static func json(_ report: SealedSnapshotReport) -> JSON {
        let fields: JSONObject = [
            "SnapshotId": .string(report.snapshot), "BaseSnapshotId": .string(report.base ?? ""),
            "DiskId": .string(report.disk), "Lineage": .string(report.lineage),
            "SizeBytes": .integer(report.size), "StoredBytes": .integer(report.storedBytes),
            "Encrypted": .bool(report.isEncrypted), "KMSKeyId": .string(report.keyID ?? ""),
            "CreationTime": .string("\(report.created)"), "Bytes": .integer(report.fileSize),
            "Digest": .string(report.digest), "Authenticated": .bool(report.isAuthentic),
        ]
        return .object(fields)
    }
}
