import Glibc

/// One thread that all calls into something that may hang are made on (a module of a network HSM, a
/// file of a network's file system), so that a hanging call holds up that thread and nobody else:
/// who waits for it gives up after a time.
///
/// Invariant: everything below `mutex` is touched only while it is held, and every change is
/// followed by a broadcast.
///
/// `@unchecked Sendable`: the invariant above is what makes it so.
package final class CallThread: @unchecked Sendable {
    private final class Job {
        enum State { case waiting, running, done }

        let body: @Sendable () -> Void
        var state = State.waiting
        /// Nobody waits for it any more.
        var isAbandoned = false

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [Job] = []
    private var current: Job?
    private var isStarted = false
    private var isEnding = false

    /// Starts nothing yet: a thread does not live through a fork (daemon(3)).
    package init() {
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

    /// Has the thread run `body`. False if it did not end within `limit` seconds, or if an earlier
    /// call that was given up still hangs: then `body` may yet be running, or was never begun. It
    /// must own all that it touches.
    package func run(limit: Double, _ body: @escaping @Sendable () -> Void) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let nanoseconds = deadline.tv_nsec + Int((limit * 1e9).rounded())
        deadline.tv_sec += nanoseconds / 1_000_000_000
        deadline.tv_nsec = nanoseconds % 1_000_000_000
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard current?.isAbandoned != true, start() else { return false }
        let job = Job(body)
        jobs.append(job)
        pthread_cond_broadcast(changed)
        while job.state != .done {
            guard pthread_cond_timedwait(changed, mutex, &deadline) == ETIMEDOUT else { continue }
            if job.state == .done { break }
            job.isAbandoned = true
            jobs.removeAll { $0 === job }
            return false
        }
        return true
    }

    /// Ends the thread once it has run what is waiting and `last`. Does not wait for it.
    package func end(_ last: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isEnding = true
        jobs.append(Job(last))
        pthread_cond_broadcast(changed)
    }

    /// Whether the thread is there, started now if it was not. Holding `mutex`.
    private func start() -> Bool {
        if isStarted { return true }
        // Signals are for the program's own threads.
        var (all, before) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                // `argument` is what was retained above, taken over exactly once.
                Unmanaged<CallThread>.fromOpaque(argument!).takeRetainedValue().serve()
                return nil
            }, this.toOpaque())
        guard status == 0 else {
            this.release()
            return false
        }
        pthread_detach(thread)
        isStarted = true
        return true
    }

    private func serve() {
        pthread_mutex_lock(mutex)
        while true {
            while jobs.isEmpty, !isEnding { pthread_cond_wait(changed, mutex) }
            guard !jobs.isEmpty else { break }
            let job = jobs.removeFirst()
            job.state = .running
            current = job
            pthread_mutex_unlock(mutex)
            ExitGate.pass(job.body)
            pthread_mutex_lock(mutex)
            job.state = .done
            current = nil
            pthread_cond_broadcast(changed)
        }
        pthread_mutex_unlock(mutex)
    }
}
