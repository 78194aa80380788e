import CLoopDevice
import ControlPlane
import Glibc

extension LoopDevice {
    /// How long the device may take to be gone, and to be closed by those that only look at every
    /// device (udev), in tenths of a second.
    private static let patience = 100
    private static let patienceWithReaders = 10

    /// Throws, naming where, while the device or one of its partitions is mounted, is swap, is part
    /// of another device, or is open. (What another mount namespace has is found by the exclusive
    /// open.)
    func checkUnused() throws(Failure) {
        let parts = blockDevices
        let mounts = MountInfo.current()
        for (name, device) in parts {
            if let mount = mounts.first(where: { $0.device == device }) {
                throw inUse(
                    "/dev/\(name) is mounted at \(mount.mountPoint)",
                    "umount \(mount.mountPoint)")
            }
            if Self.swaps().contains("/dev/" + name) {
                throw inUse("/dev/\(name) is used as swap", "swapoff /dev/\(name)")
            }
            let folder = name == "loop\(number)" ? "" : "/" + name
            if let holder = HostText.names(in: "/sys/block/loop\(number)\(folder)/holders").first {
                throw inUse("/dev/\(name) is part of /dev/\(holder)", "Take that apart")
            }
        }
        let descriptor = open(path, O_RDONLY | O_EXCL | O_CLOEXEC)
        if descriptor < 0, errno == EBUSY {
            throw inUse("\(path) is in use", "umount it where it is mounted")
        }
        if descriptor >= 0 { close(descriptor) }
        try checkClosed()
    }

    private func checkClosed() throws(Failure) {
        var users = Self.processes(thatOpened: path)
        for _ in 0..<Self.patienceWithReaders where !users.isEmpty {
            usleep(100_000)
            users = Self.processes(thatOpened: path)
        }
        guard users.isEmpty else {
            throw inUse("\(path) is open in \(users.joined(separator: ", "))", "Close it there")
        }
    }

    /// Writes out what the device holds, frees it, and returns when it is gone. With `losing` also
    /// where it cannot be written out: what it holds is lost anyhow.
    func remove(losing: Bool = false) throws(Failure) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failed("open \(path)", errno) }
        guard isReadOnly || fsync(descriptor) == 0 || losing else {
            let cause = errno
            close(descriptor)
            throw Self.failed("write out \(path)", cause)
        }
        let cause = sealdisk_loop_clear(descriptor) == 0 ? 0 : errno
        // The kernel frees the device when its last opener has closed it: that may be this one.
        close(descriptor)
        guard cause == 0 || cause == ENXIO else { throw Self.failed("free \(path)", cause) }
        for _ in 0..<Self.patience {
            if backingFile == nil { return removePartitionNodes() }
            usleep(100_000)
        }
        throw inUse("\(path) is still open somewhere", "Find who has it (fuser) and close it there")
    }

    /// Frees the device of a file that nothing can be written to any more, as one of a dead mount.
    /// Whoever has it open keeps it until he closes it.
    func freeOfDeadFile() throws(Failure) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failed("open \(path)", errno) }
        let cause = sealdisk_loop_clear(descriptor) == 0 ? 0 : errno
        close(descriptor)
        guard cause == 0 || cause == ENXIO else { throw Self.failed("free \(path)", cause) }
    }

    /// Lets the device see that its file has grown, and its partitions that there is more.
    func updateSize() throws(Failure) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failed("open \(path)", errno) }
        defer { close(descriptor) }
        guard sealdisk_loop_update_size(descriptor) == 0 else {
            throw Self.failed("grow \(path)", errno)
        }
        rescanPartitions(descriptor)
    }

    func inUse(_ message: String, _ remedy: String) -> Failure {
        Failure(.busy, "\(message).", advice: "\(remedy), then repeat.")
    }

    private static func swaps() -> [String] {
        (HostText.read("/proc/swaps") ?? "").split(separator: "\n").dropFirst()
            .compactMap { $0.split(whereSeparator: \.isWhitespace).first.map(String.init) }
    }

    /// `name (pid)` of the processes that have a file open, as far as they can be seen.
    private static func processes(thatOpened path: String) -> [String] {
        HostText.names(in: "/proc").filter { Int($0) != nil }.compactMap { pid in
            let folder = "/proc/\(pid)/fd"
            let isUser = HostText.names(in: folder).contains {
                AbsolutePath.target(of: "\(folder)/\($0)") == path
            }
            return isUser ? "\(HostText.line("/proc/\(pid)/comm") ?? "process") (\(pid))" : nil
        }
    }
}
