import Glibc

/// Keeps calls into modules out of the end of the process: exit(3) takes down what modules stand
/// on (OpenSSL, their own globals) while our threads live on, and a call then crashes.
package enum ExitGate {
    /// How long the process's end waits for a call under way, in seconds.
    private static let patience = 2

    /// A thread in a call holds it to read; the end of the process to write, and never lets go.
    private static let lock = Lock()

    /// To be called when a module is loaded and ready: what it registered for the end of the
    /// process then runs after the gate is shut.
    package static func guardEnd() { atexit { ExitGate.lock.shut(patience: ExitGate.patience) } }

    static func pass(_ body: () -> Void) {
        lock.enter()
        body()
        lock.leave()
    }

    /// `@unchecked Sendable`: the lock is made for several threads, and never moves.
    private final class Lock: @unchecked Sendable {
        private let lock = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)

        init() { pthread_rwlock_init(lock, nil) }

        func enter() { pthread_rwlock_rdlock(lock) }
        func leave() { pthread_rwlock_unlock(lock) }

        func shut(patience: Int) {
            var deadline = timespec()
            clock_gettime(CLOCK_REALTIME, &deadline)
            deadline.tv_sec += patience
            pthread_rwlock_timedwrlock(lock, &deadline)
        }
    }
}
