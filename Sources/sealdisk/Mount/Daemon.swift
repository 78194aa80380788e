import ControlPlane
import Glibc

/// Serving in the background: this program starts itself again, and returns when that process has
/// told through a pipe that the mount is usable, or why it is not. A new process, not a fork: a
/// program with threads cannot fork and go on.
enum Daemon {
    /// The hidden option by which the process in the background learns of its end of the pipe.
    static let readyOption = "ready-descriptor"
    /// The number that end has there.
    private static let readyDescriptor: Int32 = 3

    /// Starts the background process with this one's arguments, and waits until it is ready.
    /// Throws what it told.
    static func start() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure("no pipe", errno) }
        // The reading end must not reach the child: the pipe's end would otherwise never be seen.
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let child: pid_t
        do {
            defer { close(ends[1]) }
            child = try spawn(
                Array(CommandLine.arguments.dropFirst())
                    + ["--\(readyOption)", "\(readyDescriptor)"],
                passing: ends[1])
        }
        let told = readAll(ends[0])
        close(ends[0])
        guard told == Readiness.ready else {
            throw reason(told, exitOf: child)
        }
    }

    private static func spawn(_ arguments: [String], passing descriptor: Int32) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, descriptor, readyDescriptor)
        if descriptor != readyDescriptor {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        let (child, error) = ChildProcess.spawn(
            ["sealdisk"] + arguments, program: "/proc/self/exe", &actions)
        guard let child else { throw failure("the background process did not start", error) }
        return child
    }

    /// Why the background process is not ready: in its words, else by how it ended.
    private static func reason(_ told: String, exitOf child: pid_t) -> Failure {
        let status = ChildProcess.wait(for: child)
        // It was interrupted while it asked for a passphrase: so is this command.
        if status & 0x7f == SIGINT { kill(getpid(), SIGINT) }
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 1
        if let failure = Readiness.parse(told, exitCode: code) { return failure }
        return Failure(
            .failed,
            status & 0x7f == 0
                ? "The background process ended with exit code \(code) and gave no reason."
                : "The background process was ended by signal \(status & 0x7f).",
            advice: "Run the same command with --foreground to see more.")
    }

    private static func readAll(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 { bytes += buffer[..<count] }
            if count == 0 || count < 0 && errno != EINTR { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func failure(_ what: String, _ error: Int32) -> Failure {
        Failure(
            .failed,
            "The mount could not be started: \(what): \(String(cString: strerror(error))).",
            advice: "Free resources of the host, or run with --foreground.")
    }
}
