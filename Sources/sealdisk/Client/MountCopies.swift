import Glibc

/// A process that sees a mount in another mount namespace than this process's
/// (mount_namespaces(7)): a file system lives until it is unmounted in all of them.
struct MountCopy: Hashable {
    let process: Int32
    let command: String
    let mount: MountInfo

    /// Those of stores' mounts that this process can see. Only lists of the kernel are read.
    static func all() -> [MountCopy] {
        let own = AbsolutePath.target(of: "/proc/self/ns/mnt")
        // Many processes share a namespace, and a list can be long.
        var mounts: [String: [MountInfo]] = [:]
        return HostText.names(in: "/proc").compactMap { Int32($0) }.flatMap { process in
            guard let space = AbsolutePath.target(of: "/proc/\(process)/ns/mnt"), space != own
            else { return [MountCopy]() }
            let seen =
                mounts[space]
                ?? MountInfo.list(of: "\(process)").filter { $0.type == MountedStore.type }
            mounts[space] = seen
            guard !seen.isEmpty else { return [] }
            let command = HostText.line("/proc/\(process)/comm") ?? "?"
            return seen.map { MountCopy(process: process, command: command, mount: $0) }
        }
    }
}

/// Whether a file system that was unmounted here lives on elsewhere.
enum FileSystemLife {
    /// How long a namespace that is just ending may take, in hundredths of a second.
    private static let patience = 100

    /// Also false when that cannot be told.
    static func goesOn(_ device: DeviceNumber) -> Bool {
        for _ in 0..<patience {
            guard isMounted(device) else { return false }
            usleep(10_000)
        }
        return true
    }

    private static func isMounted(_ device: DeviceNumber) -> Bool {
        // The kernel's folder of the connection, where it is to be seen, is there exactly as long
        // as the file system is.
        let connections = "/sys/fs/fuse/connections"
        if !HostText.names(in: connections).isEmpty {
            return access("\(connections)/\(device.minor)", F_OK) == 0
        }
        return MountInfo.current().contains { $0.device == device }
            || MountCopy.all().contains { $0.mount.device == device }
    }
}
