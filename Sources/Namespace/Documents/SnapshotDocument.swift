import ControlPlane
import DiskEngine

/// `snapshots/NAME.json`: what a snapshot is.
struct SnapshotDocument: Encodable {
    let id: String
    let name: String?
    let description: String?
    /// The disk it was taken of, and whether that still exists.
    let disk: String
    let diskExists: Bool
    let lineage: String
    /// When it was taken, UTC.
    let time: String
    /// Bytes.
    let size: UInt64
    /// Bytes of its blocks that hold data.
    let storedBytes: UInt64
    let encrypted: Bool
    let keyID: String?
    /// Whether its authenticity was checked; only possible while its key is here.
    let verified: Bool

    init(_ snapshot: SnapshotSummary) {
        id = snapshot.id.text
        name = snapshot.givenName
        description = snapshot.attributes["Description"]
        disk = snapshot.disk.text
        diskExists = snapshot.diskExists
        lineage = snapshot.lineage.description
        time = snapshot.created.description
        size = snapshot.size
        storedBytes = snapshot.storedBytes
        encrypted = snapshot.isEncrypted
        keyID = snapshot.keyID
        verified = snapshot.isVerified
    }
}
