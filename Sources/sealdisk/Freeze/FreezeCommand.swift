import ArgumentParser
import Glibc

/// The hidden command that keeps file systems frozen, in a process of its own: it thaws them when
/// it is told to, when the time is over, and when who started it is gone.
///
/// It says one word on its output: the errno of what failed, 0 if all are frozen; and at the end
/// `late` if the time was over first, else `thawed`. What ends its input is the word to thaw.
struct FreezeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keep-frozen", abstract: "What a snapshot of a file system needs done.",
        shouldDisplay: false)

    /// Seconds.
    @Argument var limit: Int
    @Argument var mountPoints: [String]

    func run() {
        // ^C is for who waits for the snapshot; whatever it does, this process thaws.
        setsid()
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { Glibc.signal(signal, SIG_IGN) }
        Background.dropInherited(keeping: -1)
        let deadline = FreezeClock.now() + Double(limit)
        var frozen: [FrozenFileSystem] = []
        var failure: Int32 = 0
        for mountPoint in mountPoints where failure == 0 {
            guard let system = FrozenFileSystem(mountPoint) else {
                failure = errno
                break
            }
            failure = system.freeze()
            if failure == 0 { frozen.append(system) }
        }
        say("\(failure)")
        let isInTime = failure != 0 || waitForWord(until: deadline)
        for system in frozen.reversed() { system.thaw() }
        say(isInTime ? "thawed" : "late")
    }

    private func say(_ word: String) {
        let line = word + "\n"
        _ = write(1, line, line.utf8.count)
    }

    /// False if the time is over first.
    private func waitForWord(until deadline: Double) -> Bool {
        while true {
            let left = deadline - FreezeClock.now()
            guard left > 0 else { return false }
            var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
            if poll(&input, 1, Int32(left * 1000) + 1) > 0 { return true }
        }
    }
}

enum FreezeClock {
    /// Seconds of a clock that is never set.
    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
