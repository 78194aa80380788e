import Glibc

/// A value behind a lock, with waiting until it is as wanted.
///
/// Invariant: `state` is touched only between lock and unlock of `mutex`, and every change is
/// followed by a broadcast, so that no waiter misses it.
///
/// `@unchecked Sendable`: the invariant above is what makes it so.
package final class Watched<State: Sendable>: @unchecked Sendable {
    private var state: State
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init(_ state: State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Reads or changes the value, and wakes those who wait for it.
    package func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
        return try body(&state)
    }

    /// Waits until `condition` holds, then runs `body` in the same lock hold.
    package func when<Result>(
        _ condition: (State) -> Bool, _ body: (inout State) -> Result
    ) -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
        while !condition(state) { pthread_cond_wait(changed, mutex) }
        return body(&state)
    }

    /// Waits until `condition` holds or `seconds` have passed, then runs `body` with whether it
    /// holds, in the same lock hold.
    package func within<Result, Failure: Error>(
        seconds: Double, _ condition: (State) -> Bool,
        _ body: (inout State, Bool) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let nanoseconds = deadline.tv_nsec + Int((seconds * 1e9).rounded())
        deadline.tv_sec += nanoseconds / 1_000_000_000
        deadline.tv_nsec = nanoseconds % 1_000_000_000
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
        var isLate = false
        while !condition(state), !isLate {
            isLate = pthread_cond_timedwait(changed, mutex, &deadline) == ETIMEDOUT
        }
        return try body(&state, condition(state))
    }
}
