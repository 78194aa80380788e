import ArgumentParser
import Glibc
import Namespace
import Synchronization

/// What somebody wants done inside a mount and must not do himself. A process that serves a mount
/// never walks into it: a thread that waits for its own process's answer cannot be killed, and as
/// long as it is there /dev/fuse stays open, so that the mount of a killed daemon would hang for
/// ever instead of failing. Nor does a command wait for a daemon that is stopped. A process of its
/// own waits instead, which has none of their descriptors and may be left behind.
enum Errand: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// Whether the mount answers at all.
    case probe
    /// Waits until a new mount answers, and has the kernel read ahead further in it.
    case begin
    /// Has the kernel write out what mappings of a file hold dirty.
    case flush
    /// Tells the loop devices over a file that it has grown.
    case grow

    /// How long the kernel may take to learn a file's new size, in hundredths of a second.
    private static let patience = 1000

    /// 0, or the errno of what failed.
    fileprivate func run(_ path: String, size: UInt64) -> Int32 {
        switch self {
        case .probe:
            let file = open(path + "/control", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            return file < 0 ? errno : 0
        case .begin:
            guard HostText.bytes(path + "/status.json") != nil else { return errno }
            ReadAhead.widen(path)
            return 0
        case .flush:
            let file = open(path, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { return errno }
            defer { close(file) }
            return fsync(file) == 0 ? 0 : errno
        case .grow:
            return Self.growLoops(over: path, to: size)
        }
    }

    private static func growLoops(over path: String, to size: UInt64) -> Int32 {
        // Who grew the file by its size has not had the answer yet: until then it has the old one.
        var status = stat()
        for _ in 0..<patience {
            guard stat(path, &status) == 0 else { return errno }
            if status.st_size >= Int64(clamping: size) { break }
            usleep(10_000)
        }
        let mountPoint = AbsolutePath.folder(of: AbsolutePath.folder(of: path))
        for loop in LoopDevice.all(ofSameFileAs: path, in: mountPoint) {
            do throws(Failure) { try loop.updateSize() } catch { return EIO }
        }
        return 0
    }
}

/// The hidden command by which the daemon starts this program again for an errand. Its exit code
/// is an errno.
struct ErrandCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "errand", abstract: "What a mount needs done inside itself.",
        shouldDisplay: false)

    @Argument var errand: Errand
    @Argument var path: String
    /// In bytes, for those that need it.
    @Argument var size: UInt64 = 0

    func run() {
        Background.dropInherited(keeping: -1)
        // Linux's numbers end at 133: each fits an exit code.
        Glibc.exit(errand.run(path, size: size))
    }
}

/// Sends processes on errands, and collects them.
struct Errands: MappingWriter {
    /// Processes that were given up and have not ended yet: killed, but the kernel lets none go
    /// that waits for an answer.
    private static let abandoned = Mutex<[pid_t]>([])
    /// How often a process is looked after, in microseconds.
    private static let interval: UInt32 = 1000

    func writeOut(_ path: String, patience: Double) -> Int32 {
        perform(.flush, path, patience: patience)
    }

    /// 0; ETIMEDOUT if it takes longer than `patience` (seconds); or the errno of what failed.
    func perform(
        _ errand: Errand, _ path: String, size: UInt64 = 0, patience: Double
    ) -> Int32 {
        Self.collectAbandoned()
        let (process, error) = Self.start(["sealdisk", "errand", errand.rawValue, path, "\(size)"])
        guard let process else { return error }
        let deadline = Self.now() + patience
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) != process {
            guard Self.now() < deadline else {
                kill(process, SIGKILL)
                Self.abandoned.withLock { $0.append(process) }
                return ETIMEDOUT
            }
            usleep(Self.interval)
        }
        // wait(2): the exit code is the second byte, the signal the first.
        return status & 0x7f == 0 ? status >> 8 & 0xff : EINTR
    }

    /// Its streams lead to /dev/null; libfuse opens /dev/fuse to be closed at exec, as everything
    /// here is, and the errand closes whatever came along.
    private static func start(_ arguments: [String]) -> (child: pid_t?, errno: Int32) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for stream: Int32 in 0...2 {
            posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_RDWR, 0)
        }
        return ChildProcess.spawn(arguments, program: "/proc/self/exe", &actions)
    }

    private static func collectAbandoned() {
        abandoned.withLock { processes in
            processes.removeAll { process in
                var status: Int32 = 0
                return waitpid(process, &status, WNOHANG) != 0
            }
        }
    }

    /// Seconds of a clock that is never set.
    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
