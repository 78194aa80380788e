import Glibc
import Synchronization

/// Whether the user has asked to end (Ctrl-C, SIGTERM).
enum Interruption {
    private static let requested = Atomic<Bool>(false)

    static var isRequested: Bool { requested.load(ordering: .relaxed) }

    static func watch() {
        _ = isRequested  // made before any signal comes
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in Interruption.requested.store(true, ordering: .relaxed) }
        }
        // Whoever started this process may have left the signals blocked.
        var numbers = sigset_t()
        sigemptyset(&numbers)
        for number in [SIGINT, SIGTERM] { sigaddset(&numbers, number) }
        pthread_sigmask(SIG_UNBLOCK, &numbers, nil)
    }
}
