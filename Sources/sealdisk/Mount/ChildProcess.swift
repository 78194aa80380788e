// The environment is C's `environ`, which this program never changes. (/proc/self/environ cannot be
// read by a process of an ordinary user that keeps out of core dumps, as a mount does.)
@preconcurrency import Glibc

/// Other programs, run with this one's environment.
enum ChildProcess {
    /// Runs a program found in PATH with its stderr closed to nowhere; its exit code, nil if it
    /// could not be run or was killed.
    static func run(_ arguments: [String]) -> Int32? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        guard let child = spawn(arguments, program: nil, &actions).child else { return nil }
        let status = wait(for: child)
        return status & 0x7f == 0 ? (status >> 8) & 0xff : nil
    }

    /// The same with all of this process's streams but standard output, which is its errors': what
    /// the program tells is for people.
    static func runToTerminal(_ arguments: [String]) -> Int32? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, 2, 1)
        guard let child = spawn(arguments, program: nil, &actions).child else { return nil }
        let status = wait(for: child)
        return status & 0x7f == 0 ? (status >> 8) & 0xff : nil
    }

    /// The same, ended when the user asks this process to end; nil then, too.
    static func runUntilInterrupted(_ arguments: [String]) -> Int32? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, 2, 1)
        guard let child = spawn(arguments, program: nil, &actions).child else { return nil }
        let status = waitUntilInterrupted(for: child)
        return status & 0x7f == 0 && !Interruption.isRequested ? (status >> 8) & 0xff : nil
    }

    /// The same, with what the program prints given to `onLine`, line by line; a carriage return
    /// ends one, too.
    static func runUntilInterrupted(
        _ arguments: [String], onLine: (Substring) -> Void
    ) -> Int32? {
        guard let (child, output) = start(arguments) else { return nil }
        defer { close(output) }
        var rest: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while !Interruption.isRequested {
            // In turns: the signal may come to another thread, and not end the wait.
            var wait = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, 200) != 0 else { continue }
            let count = read(output, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            rest += piece[..<count]
            let ends: [UInt8] = [UInt8(ascii: "\n"), UInt8(ascii: "\r")]
            while let end = rest.firstIndex(where: ends.contains) {
                onLine(Substring(String(decoding: rest[..<end], as: UTF8.self)))
                rest.removeSubrange(...end)
            }
        }
        let status = waitUntilInterrupted(for: child)
        return status & 0x7f == 0 && !Interruption.isRequested ? (status >> 8) & 0xff : nil
    }

    private static func waitUntilInterrupted(for child: pid_t) -> Int32 {
        var status: Int32 = 0
        var isTold = false
        while waitpid(child, &status, WNOHANG) == 0 {
            if Interruption.isRequested, !isTold {
                kill(child, SIGTERM)
                isTold = true
            }
            usleep(20_000)
        }
        return status
    }

    /// What a program found in PATH prints, up to 1 MiB, and how it ends; its errors go where this
    /// process's do. Ended when the user asks this process to end.
    static func output(of arguments: [String]) -> (status: Int32?, text: String) {
        guard let (child, output) = start(arguments) else { return (nil, "") }
        defer { close(output) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(output, &piece, piece.count)
            if count < 0, errno == EINTR, !Interruption.isRequested { continue }
            guard count > 0 else { break }
            if bytes.count < 1 << 20 { bytes += piece[..<count] }
        }
        if Interruption.isRequested { kill(child, SIGTERM) }
        let status = wait(for: child)
        return (
            status & 0x7f == 0 ? (status >> 8) & 0xff : nil, String(decoding: bytes, as: UTF8.self)
        )
    }

    /// Starts a program found in PATH, and gives the end of a pipe where what it prints comes out.
    private static func start(_ arguments: [String]) -> (child: pid_t, output: Int32)? {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        let child = spawn(arguments, program: nil, &actions).child
        close(ends[1])
        guard let child else {
            close(ends[0])
            return nil
        }
        return (child, ends[0])
    }

    /// Starts `program`, or, if that is nil, the first argument found in PATH.
    static func spawn(
        _ arguments: [String], program: String?, _ actions: inout posix_spawn_file_actions_t
    ) -> (child: pid_t?, errno: Int32) {
        var texts = strings(arguments)
        defer { for text in texts { free(text) } }
        var child = pid_t()
        var attributes = signalsAsUsual()
        defer { posix_spawnattr_destroy(&attributes) }
        let error =
            program.map { posix_spawn(&child, $0, &actions, &attributes, &texts, environ) }
            ?? posix_spawnp(&child, arguments[0], &actions, &attributes, &texts, environ)
        return (error == 0 ? child : nil, error)
    }

    /// What a mount blocks and ignores is its own: a child can be ended as any other program.
    private static func signalsAsUsual() -> posix_spawnattr_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        var set = sigset_t()
        sigemptyset(&set)
        posix_spawnattr_setsigmask(&attributes, &set)
        sigaddset(&set, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &set)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        return attributes
    }

    /// The status as wait(2) gives it.
    static func wait(for child: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static func strings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
        texts.map { strdup($0) } + [nil]
    }
}
