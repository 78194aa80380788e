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

    /// What another process answered, as it stands.
    init(line: [UInt8], errno: Int32) {
        bytes = line
        self.errno = errno
    }

    /// A refusal that fails the write with an errno of its own.
    init(refusal: Refusal, errno: Int32) {
        let reply = Reply { () throws(Refusal) -> JSONObject in throw refusal }
        self.init(json: reply.json, errno: errno)
    }
}

/// The threads that carry out requests to `control`, which are begun in the order they came.
///
/// A request may wait for the kernel (to write out mappings, to drop what it caches), and the
/// kernel then waits for the threads that serve its requests: so it must not run on one of them.
/// There are several, so that one that waits for the KMS or a long log keeps no other waiting; what
/// must not happen at once the control plane sees to.
final class ControlQueue: Sendable {
    typealias Job = @Sendable () -> Void
    static let threads = 4

    private struct State: Sendable {
        var jobs: [Job] = []
        var isStopping = false
        var running = 0
        var threads: [ServiceThread] = []
    }

    private let state = Watched(State())

    /// Throws EAGAIN if the host gives no thread; with one at least the queue goes on.
    func start() throws(FileError) {
        for index in 0..<Self.threads {
            do throws(FileError) {
                try startThread()
            } catch {
                guard index > 0 else { throw error }
                return
            }
        }
    }

    private func startThread() throws(FileError) {
        let state = state
        state.withLock { $0.running += 1 }
        do throws(FileError) {
            let thread = try ServiceThread {
                while let job = Self.next(of: state) { job() }
                state.withLock { $0.running -= 1 }
            }
            state.withLock { $0.threads.append(thread) }
        } catch {
            state.withLock { $0.running -= 1 }
            throw error
        }
    }

    /// Queues a job; false once the queue is stopping, and the job will not run.
    func submit(_ job: @escaping Job) -> Bool {
        state.withLock { state in
            guard !state.isStopping, !state.threads.isEmpty else { return false }
            state.jobs.append(job)
            return true
        }
    }

    /// Takes no more jobs, lets those that were taken finish, and ends the threads. False if that
    /// takes longer than `seconds`: then the threads go on by themselves, and what they use must
    /// stay.
    func stop(within seconds: Double) -> Bool {
        state.withLock { $0.isStopping = true }
        return state.within(seconds: seconds) {
            $0.running == 0
        } _: { state, haveEnded in
            if haveEnded {
                for thread in state.threads { thread.join() }
                state.threads = []
            }
            return haveEnded
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
