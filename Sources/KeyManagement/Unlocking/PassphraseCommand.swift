import CryptoPrimitives
// The environment is C's `environ`; whoever sets variables does so before there are threads.
@preconcurrency import Glibc
import Synchronization

/// A command that prints a passphrase, run by /bin/sh. Its error output and terminal are this
/// program's, so that it can ask by itself.
///
/// It has a process group of its own, and that group's end is certain: by itself, at the time
/// limit, or when this process is told to end.
public enum PassphraseCommand {
    /// How long a command may take, in seconds: somebody may have to be asked.
    static let limit = 60.0
    /// How often it is looked whether this process is told to end, in milliseconds.
    private static let interval: Int32 = 50
    private static let isEnding = Atomic(false)
    /// Groups that were killed and had a process the kernel did not let go yet.
    private static let abandoned = Mutex<[pid_t]>([])

    /// For a process that is told to end: commands under way are killed, and none is run any more.
    /// Whoever waits for one fails with `.locked`.
    public static func endAll() { isEnding.store(true, ordering: .relaxed) }

    /// The first line that the command prints, without its end. Throws `.locked`, naming the
    /// keystore; `limit` is in seconds.
    static func run(
        _ command: String, keystore: String, limit: Double = limit
    ) throws(KeyError) -> SecretBytes {
        try run(command, name: "the passphrase command for keystore \(keystore)", limit: limit)
    }

    /// As above; `name` is what errors call the command.
    static func run(
        _ command: String, name: String, limit: Double = limit
    ) throws(KeyError) -> SecretBytes {
        // Ordinary signals to end wait until the group is killed.
        var before = sigset_t()
        var held = endSignals()
        pthread_sigmask(SIG_BLOCK, &held, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        collectAbandoned()
        var run = try Run(command, name: name, limit: limit)
        do throws(KeyError) {
            let passphrase = try Passphrase.line { (byte) throws(KeyError) in try run.next(byte) }
            // Lets a command that prints more end by itself rather than by SIGPIPE.
            var rest: UInt8 = 0
            while try run.next(&rest) > 0 {}
            try run.waitForEnd()
            return passphrase
        } catch {
            run.kill()
            throw error
        }
    }

    /// What asks a process to end. SIGTTOU with them: who hands the terminal back is in the
    /// background.
    private static func endSignals() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGTTOU] { sigaddset(&set, signal) }
        return set
    }

    private static var isToldToEnd: Bool {
        var pending = sigset_t()
        sigpending(&pending)
        return isEnding.load(ordering: .relaxed)
            || [SIGTERM, SIGINT, SIGHUP].contains { sigismember(&pending, $0) == 1 }
    }

    private static func collectAbandoned() {
        abandoned.withLock { $0.removeAll { waitpid($0, nil, WNOHANG) != 0 } }
    }

    /// Seconds of a clock that is never set.
    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// One command under way: its shell, which leads its group, and its output.
    private struct Run: ~Copyable {
        private let shell: pid_t
        private let output: FileDescriptor
        private let terminal: LentTerminal?
        private let deadline: Double
        private let limit: Double
        private var name: String { output.path }
        /// As wait(2) gives it, once the shell has ended.
        private var status: Int32?

        init(_ command: String, name: String, limit: Double) throws(KeyError) {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw KeyError.system("run", name) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let output = FileDescriptor(number: ends[0], path: name)
            let input = FileDescriptor(number: ends[1], path: name)
            shell = try PassphraseCommand.spawn(command, name, output: input.number)
            self.output = output
            deadline = PassphraseCommand.now() + limit
            self.limit = limit
            terminal = LentTerminal(to: shell)
        }

        /// Reads a byte; 0 at the end of the output, or of the command. Past stdio, whose buffer
        /// would keep a copy of the passphrase.
        mutating func next(_ byte: UnsafeMutableRawPointer) throws(KeyError) -> Int {
            while true {
                var ready = pollfd(fd: output.number, events: Int16(POLLIN), revents: 0)
                // What the shell has printed is there when it has ended; who still has the pipe
                // open then is no part of the command.
                let hasEnded = collect()
                if poll(&ready, 1, hasEnded ? 0 : PassphraseCommand.interval) > 0 {
                    let count = Glibc.read(output.number, byte, 1)
                    if count >= 0 { return count }
                    guard errno == EINTR else { throw KeyError.system("read", output.path) }
                } else if hasEnded {
                    return 0
                }
                try checkTime()
            }
        }

        mutating func waitForEnd() throws(KeyError) {
            while !collect() {
                usleep(UInt32(PassphraseCommand.interval) * 100)
                try checkTime()
            }
            guard let status, status != 0 else { return }
            // wait(2): the exit code is the second byte, the signal the first.
            let cause = status & 0x7f == 0 ? "exit code \(status >> 8 & 0xff)" : "a signal"
            throw KeyError(
                .locked, "\(name) ended with \(cause); run it by hand to see why")
        }

        /// Ends the group, and the waiting for it.
        mutating func kill() {
            Glibc.kill(-shell, SIGKILL)
            for _ in 0..<100 where !collect() { usleep(10_000) }
            if status == nil { PassphraseCommand.abandoned.withLock { $0.append(shell) } }
        }

        /// Whether the shell has ended.
        private mutating func collect() -> Bool {
            if status != nil { return true }
            var status: Int32 = 0
            guard waitpid(shell, &status, WNOHANG) == shell else { return false }
            self.status = status
            return true
        }

        private func checkTime() throws(KeyError) {
            if PassphraseCommand.isToldToEnd {
                throw KeyError(
                    .locked, "\(name) was killed: this process is told to end")
            }
            guard PassphraseCommand.now() < deadline else {
                throw KeyError(
                    .locked,
                    "\(name) did not end within \(Int(limit)) s and was killed;"
                        + " run it by hand to see what it waits for")
            }
        }
    }

    private static func spawn(
        _ command: String, _ name: String, output: Int32
    ) throws(KeyError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What a mount blocks and ignores is its own.
        var set = sigset_t()
        sigemptyset(&set)
        posix_spawnattr_setsigmask(&attributes, &set)
        sigaddset(&set, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &set)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        let words: [String] = ["sh", "-c", command]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var shell = pid_t()
        let error = posix_spawn(&shell, "/bin/sh", &actions, &attributes, &arguments, environ)
        guard error == 0 else {
            throw KeyError(
                .locked,
                "\(name) cannot be run: /bin/sh: "
                    + String(cString: strerror(error)))
        }
        return shell
    }
}

/// The terminal in the hands of another process group: one in the background would be stopped when
/// it asks. Taken back with its one owner; SIGTTOU must be blocked then.
private struct LentTerminal: ~Copyable {
    private let file: FileDescriptor

    /// nil where there is no terminal, or where this process is in the background itself.
    init?(to group: pid_t) {
        guard let file = try? FileDescriptor("/dev/tty", O_RDWR | O_NOCTTY),
            tcgetpgrp(file.number) == getpgrp(), tcsetpgrp(file.number, group) == 0
        else { return nil }
        self.file = file
        // It may have asked before, and be stopped.
        kill(-group, SIGCONT)
    }

    deinit { tcsetpgrp(file.number, getpgrp()) }
}
