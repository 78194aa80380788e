import Glibc
import LocalStore

/// A SealDisk mount on this host, as the kernel lists it. Nothing here looks into a mount: one
/// whose daemon does not answer delays nobody who was not told to use it.
struct MountedStore: Hashable, Sendable {
    let mountPoint: String
    /// The store's absolute path.
    let store: String
    /// The user who mounted it.
    let owner: UInt32
    /// The file system's number, by which it is told from a later one at the same place.
    let device: DeviceNumber?

    static let type = "fuse.sealdisk"

    /// All of them. Where one is mounted over another, only the upper one can be reached.
    static func all() -> [MountedStore] {
        var mounts: [MountedStore] = []
        for mount in MountInfo.current() {
            mounts.removeAll { $0.mountPoint == mount.mountPoint }
            if mount.type == type { mounts.append(MountedStore(mount)) }
        }
        return mounts
    }

    init(mountPoint: String, store: String, owner: UInt32 = 0, device: DeviceNumber? = nil) {
        self.mountPoint = mountPoint
        self.store = store
        self.owner = owner
        self.device = device
    }

    private init(_ mount: MountInfo) {
        self.init(
            mountPoint: mount.mountPoint, store: mount.source, owner: mount.owner ?? 0,
            device: mount.device)
    }

    /// Whether this process may send its requests there: a mount of root's or of its own user.
    /// Another user's could be any program that keeps whoever asks it waiting for ever.
    var isTrusted: Bool { owner == 0 || owner == geteuid() }

    /// Those that requests may go to without being named. Where there are several, dead ones do
    /// not count beside one that is served.
    static func usable(
        among mounts: [MountedStore], isServed: (MountedStore) -> Bool = { $0.server != nil }
    ) -> [MountedStore] {
        let trusted = mounts.filter(\.isTrusted)
        guard trusted.count > 1 else { return trusted }
        let served = trusted.filter(isServed)
        guard served.count == 1 else { return trusted }
        for dead in trusted where dead != served[0] {
            Terminal.complain(
                "sealdisk: the mount at \(dead.mountPoint) is passed over: no daemon of it is to be"
                    + " seen (sealdisk unmount \(ShellWord.text(dead.mountPoint)) takes away a dead"
                    + " mount)\n")
        }
        return served
    }

    /// The process that serves it, by the store's lock; nil if it is gone or cannot be seen.
    var server: Int32? {
        guard let holder = LockHolder.current(ofStore: store),
            holder.name == Self.holderName(mountPoint)
        else { return nil }
        return holder.process
    }

    /// The mount point in what a store's lock says of its holder; nil if that is no mount.
    static func mountPoint(ofHolder name: String) -> String? {
        let prefix = holderName("")
        return name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
    }

    /// What the lock of a store says of the process that serves it at a mount point.
    static func holderName(_ mountPoint: String) -> String {
        String("sealdisk mount \(mountPoint)".map { $0.isNewline ? " " : $0 }.prefix(1024))
    }

    /// Where a disk's file is.
    func file(ofDisk name: String) -> String { "\(mountPoint)/disks/\(name)" }
    /// Where a snapshot's file is.
    func file(ofSnapshot name: String) -> String { "\(mountPoint)/snapshots/\(name)" }
}
