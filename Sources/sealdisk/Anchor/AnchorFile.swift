import DiskEngine
import KeyManagement

/// A freshness anchor in a file of the host, mode 0600, in a folder that is nobody else's. It is
/// replaced as a whole.
struct AnchorFile: FreshnessAnchor {
    let path: String

    var place: String { path }

    func load() throws(DiskError) -> [UInt8]? {
        do {
            return try HostFile.read(path, limit: Anchoring.byteLimit)
        } catch {
            throw DiskError(
                .denied,
                "the freshness anchor of the store cannot be read: \(error); see to it, or use the"
                    + " store without an anchor (anchor=none)")
        }
    }

    func record(_ bytes: [UInt8]) throws(DiskError) {
        do {
            try HostFile.makeFolder(HostFile.folder(of: path))
            try HostFile.replace(path, with: bytes)
        } catch {
            throw DiskError(.io, error.message)
        }
    }
}
