import Glibc

/// Freezes file systems for the time of one action. Two processes know of it and each thaws if the
/// other is killed: this one, and the one that keeps them frozen (`FreezeCommand`).
struct Freezer {
    let mountPoints: [String]
    /// Seconds that they may be frozen at most.
    let limit: Int

    /// Runs `body` while they are frozen. Throws if they cannot be frozen, with nothing done; if
    /// `body` throws; and `late` if the time was over before `body` had ended.
    func frozen<R>(
        late: (R) throws(Failure) -> Failure, _ body: () throws(Failure) -> R
    ) throws(Failure) -> R {
        // Opened before: should the keeper be killed, these thaw what it froze.
        let systems = mountPoints.compactMap(FrozenFileSystem.init)
        let keeper = try FreezeKeeper(mountPoints, limit: limit)
        var result: Result<R, Failure>?
        do {
            try demandFrozen(keeper)
            do throws(Failure) {
                result = .success(try body())
            } catch {
                result = .failure(error)
            }
        } catch {
            result = .failure(error)
        }
        let word = keeper.thaw()
        if word == nil { for system in systems { system.thaw() } }
        // Set in every case above.
        switch result! {
        case .failure(let failure): throw failure
        case .success(let done):
            guard word == "thawed" else { throw try late(done) }
            return done
        }
    }

    private func demandFrozen(_ keeper: FreezeKeeper) throws(Failure) {
        let place = mountPoints.joined(separator: ", ")
        guard let word = keeper.word(within: Double(limit)), let error = Int32(word) else {
            throw Failure(
                .failed, "The file system at \(place) was not frozen within \(limit) seconds.",
                advice: "It is written to faster than it can be brought to rest, or its disk does"
                    + " not answer; give it longer with --freeze-timeout.")
        }
        switch error {
        case 0: return
        case EBUSY:
            throw Failure(
                .busy, "The file system at \(place) is frozen already, by somebody else.",
                advice: "Wait for who froze it, or thaw it: fsfreeze --unfreeze \(place)")
        case EPERM, EACCES:
            throw Failure(
                .denied, "Only root may freeze the file system at \(place).",
                advice: "Run the command as root, or take the snapshot without --freeze: it is as"
                    + " after a power failure then.")
        default:
            throw Failure(
                .failed,
                "The file system at \(place) cannot be frozen: \(String(cString: strerror(error)))"
                    + ".",
                advice: "Take the snapshot without --freeze: it is as after a power failure then.")
        }
    }
}

/// The process that keeps file systems frozen.
private final class FreezeKeeper {
    private let process: pid_t
    private var input: Int32
    private let output: Int32

    init(_ mountPoints: [String], limit: Int) throws(Failure) {
        let toKeeper = try Self.pipe()
        let fromKeeper = try Self.pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toKeeper[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromKeeper[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let (child, error) = ChildProcess.spawn(
            ["sealdisk", "keep-frozen", "\(limit)", "--"] + mountPoints,
            program: "/proc/self/exe", &actions)
        close(toKeeper[0])
        close(fromKeeper[1])
        guard let child else {
            close(toKeeper[1])
            close(fromKeeper[0])
            throw Self.failure(error)
        }
        process = child
        input = toKeeper[1]
        output = fromKeeper[0]
    }

    /// Its two ends, reading first; no child has them but as what it is given.
    private static func pipe() throws(Failure) -> [Int32] {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw failure(errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return ends
    }

    private static func failure(_ error: Int32) -> Failure {
        Failure(
            .failed,
            "The process that keeps a file system frozen cannot be started:"
                + " \(String(cString: strerror(error))).",
            advice: "Free descriptors or processes, or take the snapshot without --freeze.")
    }

    /// Its next word; nil if it is gone, or says nothing in time.
    func word(within seconds: Double) -> String? {
        let deadline = FreezeClock.now() + seconds
        var bytes: [UInt8] = []
        while true {
            let left = deadline - FreezeClock.now()
            guard left > 0 else { return nil }
            var ready = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, Int32(left * 1000) + 1) > 0 else { continue }
            var byte: UInt8 = 0
            guard read(output, &byte, 1) == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
    }

    /// Has it thaw; its last word, nil if it is gone without one. One that still waits for the
    /// freeze itself is left behind: it thaws when it has it.
    func thaw() -> String? {
        close(input)
        defer { close(output) }
        let word = word(within: 5)
        var status: Int32 = 0
        if word != nil { waitpid(process, &status, 0) } else { waitpid(process, &status, WNOHANG) }
        return word
    }
}
