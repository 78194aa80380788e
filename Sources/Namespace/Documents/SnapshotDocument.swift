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
    /// Bytes that it alone holds, and when that was found (`snapshot usage`); absent if nobody has
    /// asked since the store was opened.
    let exclusiveBytes: UInt64?
    let exclusiveAsOf: String?
    /// SHA-256 of the sealed file beside it; absent until that was read to its end.
    let digest: String?
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
        exclusiveBytes = snapshot.exclusiveBytes
        exclusiveAsOf = snapshot.exclusiveAsOf?.description
        digest = snapshot.digest
        encrypted = snapshot.isEncrypted
        keyID = snapshot.keyID
        verified = snapshot.isVerified
    }
}
