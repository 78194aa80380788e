import CSpawn
import Foundation
import Synchronization

/// A program of the host that a test has started. Of what this process has open it gets the three
/// files that it is given, and nothing else, for the kernel closes all others where it begins
/// (`closefrom`).
///
/// Foundation's `Process` closes what it found open a moment before. What another thread opened in
/// between stays open in the child: a pipe, or the socket by which `Process` learns that another
/// child has ended. If the child is a server, whoever waits for the other one then waits for as
/// long as the server lives: 5 of 2,300 waits for `true` beside 3,900 starts of servers.
public final class Program: Sendable {
    /// Where its input comes from.
    public enum Source {
        case nothing
        /// What is written into it, until it is closed.
        case pipe(Pipe)
    }

    /// Where its output goes.
    public enum Sink {
        /// Where that of this process goes.
        case inherited
        case nothing
        case pipe(Pipe)
    }

    public let processIdentifier: pid_t
    /// How it ended, once somebody has collected that: only then may the kernel give its number to
    /// another process.
    private let end = Mutex<Int32?>(nil)

    /// Starts it, in a process group of its own, with no signal blocked.
    ///
    /// - Parameters:
    ///   - program: A path, or a name that is looked for in `PATH`.
    ///   - environment: All of its variables; those of this process if nil.
    /// - Throws: The errno if there is no such program, or no process can be made.
    public init(
        _ program: String, _ arguments: [String] = [], environment: [String: String]? = nil,
        input: Source = .nothing, output: Sink = .inherited, errors: Sink = .inherited
    ) throws {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        switch input {
        case .nothing: posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        case .pipe(let pipe):
            posix_spawn_file_actions_adddup2(&files, pipe.fileHandleForReading.fileDescriptor, 0)
        }
        for (descriptor, sink) in [(Int32(1), output), (2, errors)] {
            switch sink {
            case .inherited: break
            case .nothing:
                posix_spawn_file_actions_addopen(&files, descriptor, "/dev/null", O_WRONLY, 0)
            case .pipe(let pipe):
                posix_spawn_file_actions_adddup2(
                    &files, pipe.fileHandleForWriting.fileDescriptor, descriptor)
            }
        }
        posix_spawn_file_actions_addclosefrom_np(&files, 3)
        if case .pipe(let pipe) = input { Self.keepHere(pipe) }
        for case .pipe(let pipe) in [output, errors] { Self.keepHere(pipe) }
        processIdentifier = try Self.spawn([program] + arguments, environment, &files)
        // What is the child's alone: else nobody would see its end.
        if case .pipe(let pipe) = input { try pipe.fileHandleForReading.close() }
        for case .pipe(let pipe) in [output, errors] {
            // Both may be the same.
            try? pipe.fileHandleForWriting.close()
        }
    }

    /// No child has its ends but as what it is given, also of those who start it otherwise.
    private static func keepHere(_ pipe: Pipe) {
        for handle in [pipe.fileHandleForReading, pipe.fileHandleForWriting] {
            _ = fcntl(handle.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
    }

    private static func spawn(
        _ words: [String], _ environment: [String: String]?,
        _ files: inout posix_spawn_file_actions_t
    ) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var arguments = words.map { strdup($0) } + [nil]
        var variables = (environment ?? [:]).map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var child: pid_t = 0
        let error = variables.withUnsafeMutableBufferPointer { variables in
            posix_spawnp(
                &child, words[0], &files, &attributes, &arguments,
                environment == nil ? environ : variables.baseAddress)
        }
        guard error == 0 else {
            throw POSIXError(
                POSIXErrorCode(rawValue: error) ?? .EIO,
                userInfo: [NSLocalizedDescriptionKey: "\(words[0]) cannot be started"])
        }
        return child
    }

    /// Whether it has not ended.
    public var isRunning: Bool { !collect(waiting: false) }

    /// Waits until it has ended. Any number of threads may.
    public func waitUntilExit() { _ = collect(waiting: true) }

    /// Waits until it has ended: with which status, or 128 and the signal that ended it, as a shell
    /// says it.
    public var terminationStatus: Int32 {
        waitUntilExit()
        return end.withLock { $0 ?? 0 }
    }

    public func interrupt() { signal(SIGINT) }
    public func terminate() { signal(SIGTERM) }

    /// Sends it a signal, if it has not ended.
    public func signal(_ number: Int32) {
        end.withLock { if $0 == nil { kill(processIdentifier, number) } }
    }

    /// Kills it and what it has started, but for what has left its process group.
    public func killGroup() { kill(-processIdentifier, SIGKILL) }

    /// Whether it has ended, and somebody knows how.
    private func collect(waiting: Bool) -> Bool {
        if end.withLock({ $0 != nil }) { return true }
        // It is only looked, without the lock: whoever comes first afterwards collects.
        var information = siginfo_t()
        let options = WEXITED | WNOWAIT | (waiting ? 0 : WNOHANG)
        while waitid(P_PID, id_t(processIdentifier), &information, options) != 0, errno == EINTR {}
        return end.withLock { end in
            if end != nil { return true }
            var status: Int32 = 0
            guard waitpid(processIdentifier, &status, WNOHANG) == processIdentifier else {
                return false
            }
            let signal = status & 0x7F
            end = signal == 0 ? status >> 8 & 0xFF : 128 + signal
            return true
        }
    }

    deinit {
        // One that nobody waited for is collected when it ends.
        let process = processIdentifier
        guard isRunning else { return }
        Thread.detachNewThread {
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
        }
    }
}
