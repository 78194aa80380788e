import CLoopDevice
import ControlPlane
import Glibc

extension LoopDevice {
    /// Sectors as large as the disk's blocks: a sector is never half a block, so that no write has
    /// to read first.
    static let sectorSize: UInt32 = 4096

    /// How often a free device may be lost to another process before something must be wrong.
    private static let attempts = 64

    /// Sets up a free loop device over a file, with direct I/O: the file system on it has a cache
    /// of its own, and a second one below would only take memory.
    static func create(over file: String, readOnly: Bool) throws(Failure) -> LoopDevice {
        let backing = open(file, (readOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC)
        guard backing >= 0 else { throw failed("open \(file)", errno) }
        defer { close(backing) }
        let control = open("/dev/loop-control", O_RDWR | O_CLOEXEC)
        guard control >= 0 else { throw failed("open /dev/loop-control", errno) }
        defer { close(control) }
        for _ in 0..<attempts {
            let number = sealdisk_loop_get_free(control)
            guard number >= 0 else { throw failed("find a free loop device", errno) }
            let device = LoopDevice(number: Int(number))
            let error = try device.configure(over: backing, named: file, readOnly: readOnly)
            if error == 0 { return device }
            guard error == EBUSY else { throw failed("set up \(device.path)", error) }
        }
        throw failed("find a free loop device", EBUSY)
    }

    /// 0, or the errno: EBUSY when another process took the device in between.
    private func configure(
        over backing: Int32, named file: String, readOnly: Bool
    ) throws(Failure) -> Int32 {
        let device = try openNode()
        defer { close(device) }
        var configuration = loop_config()
        configuration.fd = UInt32(backing)
        configuration.block_size = Self.sectorSize
        configuration.info.lo_flags = UInt32(LO_FLAGS_DIRECT_IO)
        if readOnly { configuration.info.lo_flags |= UInt32(LO_FLAGS_READ_ONLY) }
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
