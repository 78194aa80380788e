import Glibc

/// How far the kernel reads ahead of a sequential reader. It starts at 128 KiB for every mount of
/// this kind; requests can be eight times as long, and long requests are what is fast.
enum ReadAhead {
    private static let kibibytes = "1024"

    /// Best effort: needs root and /sys. It looks into the mount, so never by the process that
    /// serves it.
    static func widen(_ mountPoint: String) {
        var status = stat()
        guard stat(mountPoint, &status) == 0 else { return }
        let device = DeviceNumber(packed: UInt64(status.st_dev))
        let file = open("/sys/class/bdi/\(device)/read_ahead_kb", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        _ = write(file, kibibytes, kibibytes.utf8.count)
    }
}
