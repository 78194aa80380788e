import ControlPlane
import Glibc

/// What a daemon that died has left at its mount point: the mount, loop devices over its files, and
/// file systems on those. All of it fails every access, and none of it holds anything: what was
/// acknowledged is in the store.
struct DeadMount {
    let mount: MountedStore
    /// What stood on its disks, loop by loop.
    let uses: [Use]

    /// A loop device over a disk's or snapshot's file.
    struct Use: Hashable {
        let device: String
        /// `disks/data`
        let file: String
        var fileSystems: [FileSystem] = []
    }

    struct FileSystem: Hashable {
        let device: String
        let type: String
        let mountPoint: String
    }

    /// How long a daemon that was cut off may take to end, in tenths of a second.
    private static let patience = 300

    /// The dead mount at a folder; nil if nothing of ours is mounted there. Throws if what is
    /// mounted there is served.
    static func at(_ path: String) throws(Failure) -> DeadMount? {
        guard let mount = MountPoint.mount(at: path) else { return nil }
        switch MountProbe.of(mount.mountPoint) {
        case .dead: return DeadMount(mount)
        case .silent: throw MountProbe.silence(of: mount)
        case .answers:
            throw Failure(
                .busy, "The mount at \(mount.mountPoint) is served: there is nothing to recover.",
                advice: "Use it as it is; to change the daemon: sealdisk mount --takeover.")
        }
    }

    private init(_ mount: MountedStore) {
        self.mount = mount
        let mounts = MountInfo.current()
        uses = OrphanedLoops.below(mount.mountPoint).compactMap { device in
            let name = device.dropFirst("/dev/".count)
            guard let path = HostText.line("/sys/block/\(name)/loop/backing_file") else {
                return nil
            }
            let file = String(path.dropFirst(mount.mountPoint.count + 1))
            let systems = mounts.filter {
                $0.source == device || $0.source.hasPrefix(device + "p")
            }.map { FileSystem(device: $0.source, type: $0.type, mountPoint: $0.mountPoint) }
            return Use(device: device, file: file, fileSystems: systems)
        }
    }

    /// Takes all of it away: file systems, loop devices, the mount; then waits for the end of a
    /// daemon that was only cut off. Throws what cannot be taken away, and how to.
    func clear() throws(Failure) {
        for use in uses {
            for system in use.fileSystems.reversed() { try unmount(system) }
            try free(use.device)
        }
        UnmountCommand.cutOff(mount.mountPoint)
        guard MountPoint.mount(at: mount.mountPoint) == nil else {
            throw Failure(
                .denied, "The dead mount at \(mount.mountPoint) could not be taken away.",
                advice: "Run this as the user who mounted the store, or as root.")
        }
        for _ in 0..<Self.patience {
            guard mount.server != nil else { return }
            usleep(100_000)
        }
        throw Failure(
            .busy,
            "The dead mount is taken away, but its daemon, process \(mount.server ?? 0), goes on.",
            advice: "End it, then mount the store: sealdisk unmount --force \(mount.store)")
    }

    /// With MNT_DETACH, 2: who has files open there gets errors, and keeps nobody.
    private func unmount(_ system: FileSystem) throws(Failure) {
        guard umount2(system.mountPoint, 0) != 0, umount2(system.mountPoint, 2) != 0 else {
            return
        }
        let cause = errno
        guard cause != EINVAL else { return }
        throw Failure(
            cause == EPERM ? .denied : .failed,
            "\(system.mountPoint), which lies on the dead mount, could not be unmounted:"
                + " \(String(cString: strerror(cause))).",
            advice: cause == EPERM ? "Run this as root." : "Unmount it (umount -l), then repeat.")
    }

    private func free(_ device: String) throws(Failure) {
        guard let number = Int(device.dropFirst("/dev/loop".count)) else { return }
        let loop = LoopDevice(number: number)
        do throws(Failure) {
            try loop.freeOfDeadFile()
        } catch {
            throw Failure(
                error, message: error.message,
                advice: "Free it (losetup -d \(device)), then repeat; as root.")
        }
    }

    /// What to do with each disk that was in use, in words.
    var advice: [String] {
        uses.flatMap { use -> [String] in
            let name = use.file.split(separator: "/").last.map(String.init) ?? use.file
            if use.file.hasPrefix("snapshots/") {
                // Nothing was written to it: there is nothing to check.
                let place = use.fileSystems.first.map { " --at \($0.mountPoint)" } ?? ""
                return [
                    "snapshot \(name) was \(use.device); that is free now, and comes back with:"
                        + " sealdisk snapshot attach \(name)\(place)"
                ]
            }
            let back = "sealdisk disk attach \(name) --loop"
            guard !use.fileSystems.isEmpty else {
                return [
                    "disk \(name) was \(use.device); that is free now, and comes back with:"
                        + " \(back)"
                ]
            }
            return use.fileSystems.map { system in
                "disk \(name) had \(system.type) mounted at \(system.mountPoint). As after a"
                    + " power failure, check it before it is mounted: \(back), then"
                    + " \(Self.check(system.type)), mount DEVICE \(system.mountPoint)"
            }
        }
    }

    private static func check(_ type: String) -> String {
        switch type {
        case "xfs": "xfs_repair -n DEVICE (after a mount has replayed its log)"
        case "btrfs": "btrfs check --readonly DEVICE"
        case "ext2", "ext3", "ext4": "e2fsck -fp DEVICE"
        default: "fsck -t \(type) DEVICE"
        }
    }
}
