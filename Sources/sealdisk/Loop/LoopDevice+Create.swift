import CLoopDevice
import ControlPlane
import Glibc

extension LoopDevice {
    /// How often a free device may be lost to another process before something must be wrong.
    private static let attempts = 64

    /// Sets up a free loop device over a file, as is usual.
    static func create(over file: String, readOnly: Bool) throws(Failure) -> LoopDevice {
        try create(over: file, LoopSettings(isReadOnly: readOnly))
    }

    /// Sets up a free loop device over a file. Its partitions, if it is to have any, are there when
    /// this returns.
    static func create(
        over file: String, _ settings: LoopSettings
    ) throws(Failure) -> LoopDevice {
        let backing = open(file, (settings.isReadOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC)
        guard backing >= 0 else { throw failed("open \(file)", errno) }
        defer { close(backing) }
        let control = open("/dev/loop-control", O_RDWR | O_CLOEXEC)
        guard control >= 0 else { throw failed("open /dev/loop-control", errno) }
        defer { close(control) }
        for _ in 0..<attempts {
            let number = sealdisk_loop_get_free(control)
            guard number >= 0 else { throw failed("find a free loop device", errno) }
            let device = LoopDevice(number: Int(number))
            let error = try device.configure(over: backing, named: file, settings)
            if error == 0 {
                device.makePartitionNodes()
                return device
            }
            guard error == EBUSY else { throw failed("set up \(device.path)", error) }
        }
        throw failed("find a free loop device", EBUSY)
    }

    /// 0, or the errno: EBUSY when another process took the device in between.
    private func configure(
        over backing: Int32, named file: String, _ settings: LoopSettings
    ) throws(Failure) -> Int32 {
        let device = try openNode()
        defer { close(device) }
        var configuration = loop_config()
        configuration.fd = UInt32(backing)
        configuration.block_size = settings.sectorSize
        configuration.info.lo_flags = settings.flags
        // What losetup shows where the kernel's path is not to be had; cut, and ended by a zero.
        withUnsafeMutableBytes(of: &configuration.info.lo_file_name) { name in
            name.copyBytes(from: file.utf8.prefix(name.count - 1))
        }
        return sealdisk_loop_configure(device, &configuration) == 0 ? 0 : errno
    }

    /// Opens the device's node, making it where nobody does that for new devices (a container
    /// without udev).
    private func openNode() throws(Failure) -> Int32 {
        var descriptor = open(path, O_RDWR | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT {
            let device = DeviceNumber(major: Self.major, minor: UInt32(number))
            guard mknod(path, S_IFBLK | 0o660, dev_t(device.packed)) == 0 || errno == EEXIST
            else { throw Self.failed("make \(path)", errno) }
            descriptor = open(path, O_RDWR | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw Self.failed("open \(path)", errno) }
        return descriptor
    }

    static func failed(_ what: String, _ cause: Int32) -> Failure {
        let advice: String
        switch cause {
        case EACCES, EPERM: advice = "Loop devices need root: run this with sudo."
        case ENOENT, ENXIO, ENODEV: advice = "Load the kernel's loop module: modprobe loop."
        case EBUSY: advice = "Close what uses it, then repeat."
        case EROFS: advice = "The store is mounted read-only: add --read-only."
        default: advice = "See the kernel's log."
        }
        return Failure(
            [EACCES, EPERM, EROFS].contains(cause) ? .denied : cause == EBUSY ? .busy : .failed,
            "Cannot \(what): \(String(cString: strerror(cause))).", advice: advice)
    }
}
