import ControlPlane
import Glibc

/// What a request to `control` was answered.
public struct ControlAnswer: Sendable {
    /// One JSON object in a line of its own.
    public let bytes: [UInt8]
    /// 0, or why the write of the request fails.
    public let errno: Int32

    public init(json: String, errno: Int32) {
        bytes = Array(json.utf8) + [UInt8(ascii: "\n")]
        self.errno = errno
    }

    /// A refusal that fails the write with an errno of its own.
    init(refusal: Refusal, errno: Int32) {
        let reply = Reply { () throws(Refusal) -> JSONObject in throw refusal }
        self.init(json: reply.json, errno: errno)
    }
}

/// The thread that carries out requests to `control`, one after the other in the order they came.
///
/// A request may wait for the kernel (to write out mappings, to drop what it caches), and the
/// kernel then waits for the threads that serve its requests: so it must not run on one of them.
final class ControlQueue: Sendable {
    typealias Job = @Sendable () -> Void

    private struct State: Sendable {
        var jobs: [Job] = []
        var isStopping = false
        var hasEnded = false
        var thread: ServiceThread?
    }

    private let state = Watched(State())

    func start() throws(FileError) {
        let state = state
        let thread = try ServiceThread {
            while let job = Self.next(of: state) { job() }
            state.withLock { $0.hasEnded = true }
        }
        state.withLock { $0.thread = thread }
    }

    /// Queues a job; false once the queue is stopping, and the job will not run.
    func submit(_ job: @escaping Job) -> Bool {
        state.withLock { state in
            guard !state.isStopping, state.thread != nil else { return false }
            state.jobs.append(job)
            return true
        }
    }

    /// Takes no more jobs, lets those that were taken finish, and ends the thread. False if that
    /// takes longer than `seconds`: then the thread goes on by itself, and what it uses must stay.
    func stop(within seconds: Double) -> Bool {
        state.withLock { $0.isStopping = true }
        return state.within(seconds: seconds) {
            $0.hasEnded || $0.thread == nil
        } _: { state, hasEnded in
            if hasEnded {
                state.thread?.join()
                state.thread = nil
            }
            return hasEnded
        }
    }

    private static func next(of state: Watched<State>) -> Job? {
        state.when {
            !$0.jobs.isEmpty || $0.isStopping
        } _: { state in
            state.jobs.isEmpty ? nil : state.jobs.removeFirst()
        }
    }
}
