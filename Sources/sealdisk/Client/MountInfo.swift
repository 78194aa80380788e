/// One line of /proc/self/mountinfo (proc(5)): a mount that this process sees.
struct MountInfo: Hashable, Sendable {
    /// The kernel's number of the mount, which no other has at the same time.
    let id: UInt64
    let device: DeviceNumber
    let mountPoint: String
    /// For instance `ext4`, or `fuse.sealdisk`.
    let type: String
    let source: String
    /// Who mounted a FUSE file system (`user_id=`); nil for others.
    let owner: UInt32?

    /// All mounts, in the order they were made.
    static func current() -> [MountInfo] { list(of: "self") }

    /// Those that another process sees; none if that cannot be told.
    static func list(of process: String) -> [MountInfo] {
        (HostText.read("/proc/\(process)/mountinfo") ?? "").split(separator: "\n").compactMap {
            MountInfo(line: $0)
        }
    }

    /// nil if the line has not the form
    /// `36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/sda1 rw`.
    init?(line: some StringProtocol) {
        let fields = line.split(separator: " ", omittingEmptySubsequences: false)
        guard fields.count >= 10, let dash = fields[6...].firstIndex(of: "-"),
            fields.count > dash + 2, let id = UInt64(fields[0]),
            let device = DeviceNumber(fields[2])
        else { return nil }
        self.id = id
        self.device = device
        mountPoint = Self.unescaped(fields[4])
        type = String(fields[dash + 1])
        source = Self.unescaped(fields[dash + 2])
        owner =
            fields[(dash + 3)...].lazy.flatMap { $0.split(separator: ",") }
            .compactMap { $0.hasPrefix("user_id=") ? UInt32($0.dropFirst(8)) : nil }.last
    }

    /// Blanks, tabs, newlines and backslashes stand there as `\040`: three octal digits.
    private static func unescaped(_ text: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3).map { $0 &- UInt8(ascii: "0") }
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits[0] < 4,
                digits.allSatisfy({ $0 < 8 })
            {
                bytes.append(digits[0] << 6 | digits[1] << 3 | digits[2])
                rest.removeFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The number of a block device.
struct DeviceNumber: Hashable, Sendable, CustomStringConvertible {
    let major: UInt32
    let minor: UInt32

    init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    /// From `8:17`, as the kernel writes it.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]) else {
            return nil
        }
        self.init(major: major, minor: minor)
    }

    /// From a dev_t, packed as in glibc's <sys/sysmacros.h>.
    init(packed: UInt64) {
        major = UInt32(truncatingIfNeeded: packed >> 8 & 0xfff | packed >> 32 & 0xffff_f000)
        minor = UInt32(truncatingIfNeeded: packed & 0xff | packed >> 12 & 0xffff_ff00)
    }

    var packed: UInt64 {
        let (major, minor) = (UInt64(major), UInt64(minor))
        return minor & 0xff | (major & 0xfff) << 8 | (minor & ~0xff) << 12
            | (major & ~0xfff) << 32
    }

    var description: String { "\(major):\(minor)" }
}
