import Glibc

/// The signal that interrupts the wait of a thread of libfuse's, and does nothing else.
enum WakeSignal {
    static let number = SIGUSR2

    /// Handles the signal, and lets it into this thread and those it starts: whoever started the
    /// process may have left it blocked.
    static func letIn() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(number, &action, nil)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, number)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
}
