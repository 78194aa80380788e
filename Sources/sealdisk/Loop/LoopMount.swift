import ControlPlane
import Glibc

/// A file system that `attach` mounted, remembered in /run so that `detach` unmounts it, and no
/// other: by the kernel's number of the mount, the device and the place together.
struct LoopMount: Hashable {
    /// Where it is remembered. Goes with the host's memory, as mounts do.
    static let folder = "/run/sealdisk"

    let id: UInt64
    let mountPoint: String
    /// Whether `attach` made the folder that it is mounted on.
    let hasOwnFolder: Bool
    private let record: String

    /// Those of a device and its partitions that are still mounted, the earliest first. Records of
    /// others are forgotten.
    static func all(on loop: LoopDevice) -> [LoopMount] {
        let mounts = MountInfo.current()
        let prefix = "loop\(loop.number)-"
        let found = HostText.names(in: folder).filter { $0.hasPrefix(prefix) }.compactMap {
            name -> LoopMount? in
            let record = "\(folder)/\(name)"
            guard let id = UInt64(name.dropFirst(prefix.utf8.count)),
                let lines = HostText.read(record)?.split(separator: "\n", maxSplits: 1),
                lines.count == 2,
                let mount = mounts.first(where: { $0.id == id && loop.isBelow($0) }),
                mount.mountPoint == lines[1]
            else {
                unlink(record)
                return nil
            }
            return LoopMount(
                id: id, mountPoint: mount.mountPoint, hasOwnFolder: lines[0] == "own",
                record: record)
        }
        return found.sorted { $0.id < $1.id }
    }

    /// Mounts a device of `loop` (itself or a partition of it) on a folder, which is made if it
    /// does not exist and must be empty if it does. Each step is undone with the stage.
    static func make(
        of loop: LoopDevice, _ device: String, at place: String, options: [String], _ stage: Stage
    ) throws(Failure) -> LoopMount {
        let isNew = try stage.done("the folder \(place)") { () throws(Failure) in
            try prepare(place)
        } undo: { isNew throws(Failure) in
            if isNew { rmdir(place) }
        }
        return try stage.done("the file system at \(place)") { () throws(Failure) in
            let real = try AbsolutePath.existing(place, as: "folder")
            let more = options.isEmpty ? [] : ["-o", options.joined(separator: ",")]
            guard ChildProcess.runToTerminal(["mount"] + more + ["--", device, real]) == 0 else {
                throw Failure(
                    .failed, "There is no file system on \(device) that could be mounted.",
                    advice: "See what mount said. A blank disk gets one by --mkfs ext4; one with a"
                        + " partition table is mounted by --partition 1.")
            }
            let mount = MountInfo.current().last { $0.mountPoint == real && loop.isBelow($0) }
            guard let mount else { throw Failure(unforeseen: LoopMountError.notListed) }
            return try remember(mount, loop, hasOwnFolder: isNew)
        } undo: { mount throws(Failure) in
            try mount.unmount()
        }
    }

    /// Whether it had to be made.
    private static func prepare(_ place: String) throws(Failure) -> Bool {
        if mkdir(place, 0o755) == 0 { return true }
        let cause = errno
        guard cause == EEXIST else {
            throw Failure(
                cause == ENOENT ? .notFound : .denied,
                "The folder \(place) cannot be made: \(String(cString: strerror(cause))).",
                advice: "Make what it lies in, or name another.")
        }
        var status = stat()
        guard stat(place, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(.invalid, "\(place) is not a folder.", advice: "Name another place.")
        }
        guard HostText.names(in: place).isEmpty else {
            throw Failure(
                .busy, "The folder \(place) is not empty; what is in it would be covered.",
                advice: "Name an empty one, or one that does not exist yet.")
        }
        return false
    }

    private static func remember(
        _ mount: MountInfo, _ loop: LoopDevice, hasOwnFolder: Bool
    ) throws(Failure) -> LoopMount {
        let record = "\(folder)/loop\(loop.number)-\(mount.id)"
        let text = "\(hasOwnFolder ? "own" : "found")\n\(mount.mountPoint)"
        mkdir(folder, 0o755)
        let file = open(record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        let isWritten = file >= 0 && write(file, text, text.utf8.count) == text.utf8.count
        let cause = errno
        if file >= 0 { close(file) }
        let made = LoopMount(
            id: mount.id, mountPoint: mount.mountPoint, hasOwnFolder: hasOwnFolder, record: record)
        guard isWritten else {
            try made.unmount()
            throw Failure(
                .failed,
                "What is mounted cannot be remembered in \(folder):"
                    + " \(String(cString: strerror(cause))).",
                advice: "Mend that, or mount it yourself, without --at.")
        }
        return made
    }

    /// Unmounts it; refuses, naming who uses it, while it is in use.
    func unmount() throws(Failure) {
        guard MountInfo.current().last(where: { $0.mountPoint == mountPoint })?.id == id else {
            throw Failure(
                .busy, "Something else is mounted over \(mountPoint).",
                advice: "umount \(mountPoint), then repeat.")
        }
        // A program that looks at every new mount may be in it for a moment. (UMOUNT_NOFOLLOW: the
        // path is real already.)
        var cause: Int32 = 0
        for attempt in 0..<10 {
            cause = umount2(mountPoint, 8) == 0 ? 0 : errno
            if cause != EBUSY { break }
            if attempt < 9 { usleep(100_000) }
        }
        guard cause == 0 else {
            let users = MountHolders.list(of: mountPoint)
            throw Failure(
                .busy,
                "\(mountPoint) could not be unmounted: \(String(cString: strerror(cause)))."
                    + (users.isEmpty
                        ? "" : " \(Table.printable(users.joined(separator: "; ")))."),
                advice: "Close what uses it, then repeat.")
        }
        unlink(record)
        if hasOwnFolder { rmdir(mountPoint) }
    }
}

private enum LoopMountError: Error { case notListed }
