import ControlPlane
import Glibc

/// Who has one file of a mount open: loop devices and processes, in words. Found in /proc and /sys,
/// by the file's device and inode: no open file is looked at, which could wait for its mount.
enum FileHolders {
    static func list(of file: String) -> [String] {
        LoopDevice.all(of: file).map { "the loop device \($0.path)" } + processes(with: file)
    }

    /// The processes among them.
    static func processes(with file: String) -> [String] {
        var status = stat()
        guard stat(file, &status) == 0 else { return [] }
        let (device, inode) = (
            DeviceNumber(packed: UInt64(status.st_dev)), UInt64(status.st_ino)
        )
        return HostText.names(in: "/proc").compactMap { Int32($0) }
            .filter { $0 != getpid() && (opens($0, device, inode) || maps($0, device, inode)) }
            .map { "process \($0) (\(HostText.line("/proc/\($0)/comm") ?? "?"))" }
    }

    private static func opens(_ pid: Int32, _ device: DeviceNumber, _ inode: UInt64) -> Bool {
        let folder = "/proc/\(pid)/fdinfo"
        return HostText.names(in: folder).contains { name in
            let lines = (HostText.read("\(folder)/\(name)") ?? "").split(separator: "\n")
            guard number("ino:", in: lines) == inode, let mount = number("mnt_id:", in: lines)
            else { return false }
            return Self.device(ofMount: mount, for: pid) == device
        }
    }

    private static func number(_ label: String, in lines: [Substring]) -> UInt64? {
        lines.first { $0.hasPrefix(label) }?.split(whereSeparator: \.isWhitespace).last
            .flatMap { UInt64($0) }
    }

    /// Mounts are numbered per host, and listed per process: it may have another namespace.
    private static func device(ofMount id: UInt64, for pid: Int32) -> DeviceNumber? {
        let lines = (HostText.read("/proc/\(pid)/mountinfo") ?? "").split(separator: "\n")
        for line in lines {
            let fields = line.split(separator: " ", maxSplits: 3)
            guard fields.count > 2, UInt64(fields[0]) == id else { continue }
            return DeviceNumber(String(fields[2]))
        }
        return nil
    }

    /// `address perms offset major:minor inode path`, the device in hexadecimal.
    private static func maps(_ pid: Int32, _ device: DeviceNumber, _ inode: UInt64) -> Bool {
        let lines = (HostText.read("/proc/\(pid)/maps") ?? "").split(separator: "\n")
        return lines.contains { line in
            let fields = line.split(separator: " ", maxSplits: 5)
            guard fields.count > 4, UInt64(fields[4]) == inode else { return false }
            let parts = fields[3].split(separator: ":").compactMap { UInt32($0, radix: 16) }
            return parts.count == 2 && DeviceNumber(major: parts[0], minor: parts[1]) == device
        }
    }
}

extension Failure {
    /// The same refusal with who has the file open, if it is one that says that it is in use.
    func naming(holdersOf file: String) -> Failure {
        guard exitCode == ErrorKind.busy.exitCode else { return self }
        let holders = FileHolders.list(of: file)
        guard !holders.isEmpty else { return self }
        return Failure(
            .busy, "\(message) Open in: \(Table.printable(holders.joined(separator: ", "))).",
            advice: advice)
    }
}
