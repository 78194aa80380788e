import Glibc

/// The signals that ask a mount to leave: SIGTERM, SIGINT, SIGHUP. They are blocked in every thread
/// and one thread waits for them, so that the end is ordinary code and no handler.
struct EndSignals: Sendable {
    private let set: sigset_t

    /// To be called before any thread is started: threads inherit what is blocked. SIGPIPE is
    /// ignored from here on: a reader of the log or of the readiness that has gone must not end
    /// the mount.
    static func block() -> EndSignals {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        return EndSignals(set: set)
    }

    /// Lets them do what they do in any program; one that came meanwhile ends the process now.
    func unblock() {
        var set = set
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Waits for one of them, and says which.
    func wait() -> Int32 {
        var set = set
        var signal: Int32 = 0
        while sigwait(&set, &signal) != 0 {}
        return signal
    }
}
