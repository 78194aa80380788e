import CLoopDevice
import DiskEngine
import Glibc

/// Measures that protect a process that holds keys, each tried and reported; none of them is a
/// condition of serving.
enum Hardening {
    /// mlockall(2)'s MCL_ONFAULT, which Glibc's module leaves out: pages are locked when they are
    /// first touched, so that reserved address space costs nothing.
    private static let lockOnFault: Int32 = 4

    /// Applies all measures to this process, and tells of each `ok` or why not, by name. To be
    /// called before keys are in memory and before threads are started: they inherit the last
    /// measure. A second time changes nothing.
    @discardableResult
    static func apply() -> [String: String] {
        crashPlainly()
        return [
            "nonDumpable": report(sealdisk_prctl(PR_SET_DUMPABLE, 0)),
            "noCoreDumps": withoutCoreDumps(),
            "lockedMemoryLimit": raised(Int32(__RLIMIT_MEMLOCK.rawValue)),
            "openFilesLimit": raised(Int32(RLIMIT_NOFILE.rawValue)),
            "lockedMemory": withLockedMemory(),
            "ioFlusher": report(sealdisk_prctl(PR_SET_IO_FLUSHER, 1)),
        ]
    }

    /// A crash ends the process at once: Swift's runtime may have been told to start a program that
    /// examines it, which would print what registers and memory hold, and keep the mount hanging.
    /// Whoever started this process may have left the signals blocked.
    private static func crashPlainly() {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGQUIT] {
            Glibc.signal(signal, SIG_DFL)
            sigaddset(&set, signal)
        }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Open chunks take descriptors and locked memory: the process uses all that it is allowed.
    /// Tells of the limit that is in force then.
    private static func raised(_ resource: Int32) -> String {
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return report(-1) }
        let before = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        let isRaised = setrlimit(resource, &limit) == 0
        let value = isRaised ? limit.rlim_max : before
        return value == rlim_t.max ? "unlimited" : "\(value)"
    }

    /// How many chunks may be kept open: half of the descriptors there are, for the mount, folders
    /// and manifests in use, and chunks in use while out of the table, by sixteen threads, take
    /// theirs.
    static var openChunks: Int {
        var limit = rlimit()
        guard getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return Limits.standard.openChunks
        }
        return max(16, Int(min(limit.rlim_cur / 2, 16_384)))
    }

    /// A core dump would hold keys and plaintext.
    private static func withoutCoreDumps() -> String {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        return report(setrlimit(Int32(RLIMIT_CORE.rawValue), &none))
    }

    /// Plaintext must not reach swap, and a process that serves the pages of its own host must not
    /// wait for them. With a limit on locked memory every later allocation could fail, so then only
    /// the keys themselves are locked, by whoever holds them.
    private static func withLockedMemory() -> String {
        var limit = rlimit()
        let isUnlimited =
            mayLockMemory
            || getrlimit(Int32(__RLIMIT_MEMLOCK.rawValue), &limit) == 0
                && limit.rlim_cur == rlim_t.max
        guard isUnlimited else {
            return "no: locked memory is limited (ulimit -l); keys themselves are locked"
        }
        return report(mlockall(Int32(MCL_CURRENT) | Int32(MCL_FUTURE) | lockOnFault))
    }

    /// Whether this process has CAP_IPC_LOCK (bit 14), which lifts the limit. Being root is not
    /// enough in a container.
    private static var mayLockMemory: Bool {
        let lines = (HostText.read("/proc/self/status") ?? "").split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("CapEff:") }),
            let hexadecimal = line.split(whereSeparator: \.isWhitespace).last,
            let capabilities = UInt64(hexadecimal, radix: 16)
        else { return false }
        return capabilities & 1 << 14 != 0
    }

    private static func report(_ result: Int32) -> String {
        result == 0 ? "ok" : "no: \(String(cString: strerror(errno)))"
    }
}
