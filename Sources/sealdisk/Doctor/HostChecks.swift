import CLoopDevice
import Glibc

/// What a mount needs of its host.
enum HostChecks {
    /// Chunks and manifests in use take descriptors; with fewer, files are opened again and again.
    private static let comfortableFiles: rlim_t = 4096

    static func all() -> [Finding] {
        [
            fuse(), mounting(), loops(), lockedMemory(), openFiles(), ioFlusher(), swap(), clock(),
        ] + tools()
    }

    private static var isRoot: Bool { geteuid() == 0 }

    private static func fuse() -> Finding {
        let what = "/dev/fuse"
        if access(what, R_OK | W_OK) == 0 { return .ok(what, "can be used") }
        let cause = errno
        return cause == ENOENT
            ? .failed(what, "is not there", "modprobe fuse; in a container, hand the device in.")
            : .failed(
                what, String(cString: strerror(cause)),
                "Install package fuse3, which opens it to all users, or run this as root.")
    }

    private static func mounting() -> Finding {
        let what = "mounting"
        if isRoot { return .ok(what, "as root") }
        guard let helper = path(of: "fusermount3") else {
            return .failed(what, "there is no fusermount3", "Install package fuse3.")
        }
        let others =
            (HostText.read("/etc/fuse.conf") ?? "").split(separator: "\n")
            .contains { $0.hasPrefix("user_allow_other") }
        return .ok(
            what,
            "by \(helper); allow_other is \(others ? "" : "not ")allowed (/etc/fuse.conf)")
    }

    private static func loops() -> Finding {
        let what = "loop devices"
        guard access("/dev/loop-control", F_OK) == 0 else {
            return .failed(
                what, "there is no /dev/loop-control", "modprobe loop; in a container, hand it in.")
        }
        return isRoot
            ? .ok(what, "can be set up")
            : .warning(
                what, "only root sets them up",
                "As another user use the files themselves, or have root run losetup.")
    }

    private static func lockedMemory() -> Finding {
        let what = "locked memory"
        var limit = rlimit()
        guard getrlimit(Int32(__RLIMIT_MEMLOCK.rawValue), &limit) == 0 else {
            return .failed(what, String(cString: strerror(errno)), "")
        }
        if limit.rlim_max == rlim_t.max || hasCapability(14) {
            return .ok(what, "unlimited: nothing of a mount is swapped out")
        }
        return .warning(
            what, "limited to \(limit.rlim_max) bytes: keys are locked, other memory is not",
            "LimitMEMLOCK=infinity in the unit, or memlock in limits.conf(5).")
    }

    private static func openFiles() -> Finding {
        let what = "open files"
        var limit = rlimit()
        guard getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return .failed(what, String(cString: strerror(errno)), "")
        }
        return limit.rlim_max >= comfortableFiles
            ? .ok(what, "up to \(limit.rlim_max)")
            : .warning(
                what, "up to \(limit.rlim_max): large disks open their chunks again and again",
                "LimitNOFILE=65536 in the unit, or nofile in limits.conf(5).")
    }

    private static func ioFlusher() -> Finding {
        let what = "short of memory"
        // CAP_SYS_RESOURCE.
        return hasCapability(24)
            ? .ok(what, "a mount may be an I/O flusher")
            : .warning(
                what, "without CAP_SYS_RESOURCE a host short of memory can deadlock",
                "Run the mount as root, or give its unit that capability.")
    }

    private static func swap() -> Finding {
        let what = "swap"
        let lines = (HostText.read("/proc/swaps") ?? "").split(separator: "\n").dropFirst()
        guard let first = lines.first?.split(separator: " ").first else {
            return .ok(what, "there is none")
        }
        return .ok(what, "\(first): a mount locks what it may (see locked memory)")
    }

    private static func clock() -> Finding {
        let what = "clock"
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        // 2026-01-01, before this program was written.
        guard now.tv_sec > 1_767_225_600 else {
            return .failed(
                what, "is set to the past: snapshots and the key-use log get wrong times",
                "Set it, by NTP for instance.")
        }
        // TIME_ERROR, 5: the kernel was not told that the clock is right.
        return sealdisk_clock_state() == 5
            ? .warning(
                what, "nobody keeps it right, as far as the kernel knows",
                "Run an NTP client (systemd-timesyncd, chrony).")
            : .ok(what, "is kept right")
    }

    private static func tools() -> [Finding] {
        [
            ("mkfs.ext4", "e2fsprogs", "disk attach --mkfs"), ("rsync", "rsync", "sealdisk copy"),
            ("qemu-img", "qemu-utils", "sealdisk image export"),
        ].map { tool, package, use in
            path(of: tool).map { .ok(tool, $0) }
                ?? .warning(tool, "is not there; \(use) needs it", "Install package \(package).")
        }
    }

    private static func path(of tool: String) -> String? {
        let folders = (environmentVariable("PATH") ?? "").split(separator: ":") + ["/usr/sbin"]
        return folders.map { "\($0)/\(tool)" }.first { access($0, X_OK) == 0 }
    }

    private static func hasCapability(_ bit: UInt64) -> Bool {
        let lines = (HostText.read("/proc/self/status") ?? "").split(separator: "\n")
        let line = lines.first { $0.hasPrefix("CapEff:") }
        let word = line?.split(whereSeparator: \.isWhitespace).last
        return word.flatMap { UInt64($0, radix: 16) }.map { $0 & 1 << bit != 0 } ?? false
    }
}
