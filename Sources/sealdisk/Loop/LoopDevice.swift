import CLoopDevice
import ControlPlane
import Glibc

/// A loop device: a block device over a file (loop(4)).
struct LoopDevice: Hashable, Sendable {
    let number: Int

    var path: String { "/dev/loop\(number)" }
    var system: String { "/sys/block/loop\(number)" }

    /// Loop devices are minor numbers of this major (Linux's devices.txt).
    static let major: UInt32 = 7

    /// The path of the file below, as the kernel shows it; nil when the device is free.
    var backingFile: String? { HostText.line(system + "/loop/backing_file") }

    var isReadOnly: Bool { HostText.line(system + "/ro") == "1" }

    var hasDirectIO: Bool { HostText.line(system + "/loop/dio") == "1" }

    /// How it was set up, as far as it works so.
    var settings: LoopSettings {
        LoopSettings(
            isReadOnly: isReadOnly, hasDirectIO: hasDirectIO,
            hasPartitions: HostText.line(system + "/loop/partscan") == "1",
            sectorSize: HostText.line(system + "/queue/logical_block_size").flatMap { UInt32($0) }
                ?? LoopSettings.blockSize)
    }

    /// The device and its partitions: name (`loop0p1`) and number.
    var blockDevices: [(name: String, device: DeviceNumber)] {
        let name = "loop\(number)"
        let parts = HostText.names(in: system).filter { $0.hasPrefix(name + "p") }
        return ([("", name)] + parts.map { ("/" + $0, $0) }).compactMap { folder, name in
            HostText.line("\(system)\(folder)/dev").flatMap { DeviceNumber($0) }
                .map { (name, $0) }
        }
    }

    /// Those that are in use over this very file, lowest number first. The kernel's path of the
    /// file chooses: to ask a device itself would make it look into the mount that its file lies
    /// in, and that may be any other.
    static func all(of file: String) -> [LoopDevice] {
        let candidates = all.filter { $0.backingFile == file }
        var status = stat()
        guard !candidates.isEmpty, stat(file, &status) == 0 else { return candidates }
        return candidates.filter { loop in
            // The path may be that of an earlier mount; device and inode tell for certain.
            guard let identity = loop.identityOfFile() else { return true }
            return identity.device == DeviceNumber(packed: UInt64(status.st_dev))
                && identity.inode == UInt64(status.st_ino)
        }
    }

    /// Those over a file, under whichever of its names they were set up, in the mount at
    /// `mountPoint`. Asks every device over a file of that mount, which may have to answer.
    static func all(ofSameFileAs file: String, in mountPoint: String) -> [LoopDevice] {
        var status = stat()
        guard stat(file, &status) == 0 else { return [] }
        return all.filter { $0.backingFile?.hasPrefix(mountPoint + "/") ?? false }.filter { loop in
            guard let identity = loop.identityOfFile() else { return false }
            return identity.device == DeviceNumber(packed: UInt64(status.st_dev))
                && identity.inode == UInt64(status.st_ino)
        }
    }

    /// Whether a mount is of this device or of one of its partitions. (btrfs gives its mounts
    /// numbers of their own: there the source tells.)
    func isBelow(_ mount: MountInfo) -> Bool {
        blockDevices.contains { $0.device == mount.device || "/dev/\($0.name)" == mount.source }
    }

    private static var all: [LoopDevice] {
        HostText.names(in: "/sys/block")
            .filter { $0.hasPrefix("loop") }
            .compactMap { Int($0.dropFirst(4)) }
            .sorted()
            .map { LoopDevice(number: $0) }
    }

    private func identityOfFile() -> (device: DeviceNumber, inode: UInt64)? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var info = loop_info64()
        guard sealdisk_loop_status(descriptor, &info) == 0 else { return nil }
        return (DeviceNumber(packed: info.lo_device), info.lo_inode)
    }
}
