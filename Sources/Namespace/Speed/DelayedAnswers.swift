import Glibc
import Synchronization

/// Nanoseconds of a clock that is never set.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Answers that are held back until their time comes: one thread, started with the first of them.
///
/// How many there are is bounded by the requests that the kernel has under way.
final class DelayedAnswers: Sendable {
    private struct Entry {
        let due: UInt64
        let answer: @Sendable () -> Void
    }

    private struct State {
        /// By time, the earliest last.
        var waiting: [Entry] = []
        var isStarted = false
        var isClosed = false
    }

    private let state = Mutex(State())
    /// Longer than this the thread does not sleep: an earlier answer may have come.
    private static let longestSleep: UInt64 = 2_000_000

    /// Runs `answer` at `due` (monotonic, nanoseconds), or at once after `close`.
    func at(_ due: UInt64, _ answer: @escaping @Sendable () -> Void) {
        let (isLate, starts) = state.withLock { state -> (Bool, Bool) in
            if state.isClosed { return (true, false) }
            let place = state.waiting.firstIndex { $0.due < due } ?? state.waiting.endIndex
            state.waiting.insert(Entry(due: due, answer: answer), at: place)
            defer { state.isStarted = true }
            return (false, !state.isStarted)
        }
        if isLate { return answer() }
        guard starts else { return }
        do {
            try ServiceThread { [self] in run() }.detach()
        } catch {
            // Without a thread the limit cannot be kept; the answers are what matters.
            close()
        }
    }

    /// Gives all answers now, and every later one at once: the mount ends.
    func close() {
        let rest = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for entry in rest.reversed() { entry.answer() }
    }

    private func run() {
        while true {
            let now = monotonicNanoseconds()
            let (due, next, isClosed) = state.withLock { state -> ([Entry], UInt64?, Bool) in
                var due: [Entry] = []
                while let last = state.waiting.last, last.due <= now {
                    due.append(state.waiting.removeLast())
                }
                if state.waiting.isEmpty, due.isEmpty { state.isStarted = false }
                return (due, state.waiting.last?.due, state.isClosed || !state.isStarted)
            }
            for entry in due { entry.answer() }
            // The next answer starts another thread.
            if isClosed { return }
            let rest = next.map { $0 > now ? $0 - now : 0 } ?? Self.longestSleep
            usleep(UInt32(min(rest, Self.longestSleep) / 1000))
        }
    }
}

/// An answer that is to be held back.
public struct AnswerDelay: Sendable {
    let due: UInt64
    let answers: DelayedAnswers

    /// Gives the answer when its time has come, on another thread.
    public func run(_ answer: @escaping @Sendable () -> Void) { answers.at(due, answer) }
}
