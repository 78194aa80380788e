import Glibc

/// A mutex with conditions: `wait` releases the lock and takes it again when something was
/// announced. The engine, and a store with threads of its own, synchronise by nothing else, so that
/// a simulator may supply its own and decide who runs.
///
/// Operations wait for `.progress`, or for the log to be `.written` so far; background threads for
/// `.work`. A commit that nobody waits for must not wake a thread that has nothing to do.
///
/// The mutex is one that spins for a moment before it sleeps: what is done under it takes less than
/// going to sleep (16 writers on 2 processors: 0.06 futex calls a write instead of 0.2 to 0.4).
open class Monitor: @unchecked Sendable {
    // @unchecked: pthread's objects are made for use from any thread and never move.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let conditions: UnsafeMutablePointer<pthread_cond_t>

    public enum Event: Int, Sendable, CaseIterable {
        case progress, written, work
    }

    public init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, CInt(PTHREAD_MUTEX_ADAPTIVE_NP))
        pthread_mutex_init(mutex, &attributes)
        pthread_mutexattr_destroy(&attributes)
        conditions = .allocate(capacity: Event.allCases.count)
        conditions.initialize(repeating: pthread_cond_t(), count: Event.allCases.count)
        for event in Event.allCases { pthread_cond_init(conditions + event.rawValue, nil) }
    }

    deinit {
        for event in Event.allCases { pthread_cond_destroy(conditions + event.rawValue) }
        pthread_mutex_destroy(mutex)
        conditions.deallocate()
        mutex.deallocate()
    }

    open func lock() { pthread_mutex_lock(mutex) }
    open func unlock() { pthread_mutex_unlock(mutex) }
    /// Precondition: the caller holds the lock. May return without cause: callers loop.
    open func wait(for event: Event = .progress) {
        pthread_cond_wait(conditions + event.rawValue, mutex)
    }
    /// Wakes all that wait for the event.
    open func announce(_ event: Event = .progress) {
        pthread_cond_broadcast(conditions + event.rawValue)
    }

    @inlinable @inline(__always)
    public final func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lock()
        defer { unlock() }
        return try body()
    }

    /// Runs `body` without the lock that the caller holds, and takes it again.
    @inlinable @inline(__always)
    public final func withoutLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        unlock()
        defer { lock() }
        return try body()
    }
}

/// Where monitors and threads come from.
public protocol Threads: Sendable {
    func makeMonitor() -> Monitor
    /// Starts a thread that runs `body` and ends.
    func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
        -> any RunningThread
}

/// There can be no more threads.
public struct ThreadLimit: Error, Sendable, CustomStringConvertible {
    public let thread: String
    /// strerror's words.
    public let cause: String

    public init(thread: String, cause: String) {
        self.thread = thread
        self.cause = cause
    }

    public var description: String {
        "the thread \"\(thread)\" cannot be started: \(cause);"
            + " raise the limit of threads (ulimit -u, TasksMax= in a unit)"
    }
}

public protocol RunningThread: Sendable {
    /// Returns when the thread has ended. Called once.
    func join()
    /// Whether it leaves processors to the other threads of the host as long as they want them, by
    /// next to all of its time. A hint, good until the next call.
    func yieldProcessors(_ yields: Bool)
}

extension RunningThread {
    /// For threads that have no processors of their own.
    public func yieldProcessors(_ yields: Bool) {}
}

/// The operating system's threads.
public struct SystemThreads: Threads {
    public init() {}

    public func makeMonitor() -> Monitor { Monitor() }

    public func start(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit)
        -> any RunningThread
    {
        try SystemThread(name: name, body)
    }
}

private final class SystemThread: RunningThread {
    private let thread: pthread_t
    private let nice = NiceValue()

    private final class Start {
        let name: String
        let nice: NiceValue
        let body: @Sendable () -> Void
        init(name: String, nice: NiceValue, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.nice = nice
            self.body = body
        }
    }

    init(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadLimit) {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(name: name, nice: nice, body: body))
        let status = pthread_create(
            &thread, nil,
            { argument in
                // `argument` is the retained Start passed below, taken over exactly once.
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                nameThisThread(start.name)
                start.nice.adoptThisThread()
                start.body()
                return nil
            }, start.toOpaque())
        guard status == 0 else {
            start.release()
            throw ThreadLimit(thread: name, cause: String(cString: strerror(status)))
        }
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
    func yieldProcessors(_ yields: Bool) { nice.set(yielding: yields) }
}

/// Shows the name in `top` and `perf`. A thread without its name works as well, so errors are left.
private func nameThisThread(_ name: String) {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    let text = String(name.prefix(15))
    _ = write(file, text, text.utf8.count)
    close(file)
}
