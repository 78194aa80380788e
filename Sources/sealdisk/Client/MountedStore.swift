import ControlPlane
import Glibc

/// A SealDisk mount on this host.
struct MountedStore: Hashable, Sendable {
    let mountPoint: String
    /// The store's absolute path; nil if the mount does not answer (its daemon is gone, or it is
    /// another user's).
    let store: String?

    static let type = "fuse.sealdisk"

    /// All of them. Where one is mounted over another, only the upper one can be reached.
    static func all() -> [MountedStore] {
        var points: [String] = []
        for mount in MountInfo.current() {
            points.removeAll { $0 == mount.mountPoint }
            if mount.type == type { points.append(mount.mountPoint) }
        }
        return points.map { MountedStore(at: $0) }
    }

    init(mountPoint: String, store: String?) {
        self.mountPoint = mountPoint
        self.store = store
    }

    private init(at mountPoint: String) {
        let status = HostText.bytes(mountPoint + "/status.json")
            .flatMap { try? JSON(parsing: $0) }
        self.init(mountPoint: mountPoint, store: status?["store"]?.string)
    }

    /// Where a disk's file is.
    func file(ofDisk name: String) -> String { "\(mountPoint)/disks/\(name)" }
}
