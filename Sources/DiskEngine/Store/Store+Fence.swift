import DiskFormat
import KeyManagement

/// An encrypted disk that was cut off, and what of it could not be made durable.
public struct FencedDisk: Sendable {
    public let id: DiskID
    public let failure: DiskError?
}

// What a mount does that shall not outlive its CMK. Keys end with what uses them: a disk's and a
// snapshot's open files keep theirs in memory until they are closed, and get nothing by it.
extension Store {
    /// Ends the attachment of every encrypted disk, whoever uses it: what was acknowledged is made
    /// durable, and every operation from then on fails, as does reading its lineage's snapshots
    /// (`.keyRequired`). Never calls the KMS but for a note of each. Imports under way end by
    /// themselves.
    public func fenceEncryptedDisks() -> [FencedDisk] {
        let lineages = monitor.withLock { catalogue.openLineages.values.map(\.lineage) }
        for lineage in lineages where lineage.isEncrypted { lineage.fence() }
        var fenced: [FencedDisk] = []
        for disk in disksAtWork() where disk.isEncrypted && !disk.takesImport {
            var failure: DiskError?
            do {
                try end(disk, isClosing: true).get()
            } catch {
                let cause = DiskError.wrap(error, while: "fencing disk \(disk.id)")
                // Somebody else has detached it in this moment.
                if cause.code == .notFound { continue }
                failure = cause
            }
            try? keys.note(KeyUse(action: "FenceDisk", resource: disk.id.text))
            fenced.append(FencedDisk(id: disk.id, failure: failure))
        }
        freshness?.tryToWrite()
        return fenced
    }
}
