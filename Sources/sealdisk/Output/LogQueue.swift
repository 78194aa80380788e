import Glibc
import Logging
import Namespace

/// A line for the operator.
struct LogLine: Sendable, Hashable {
    struct Field: Sendable, Hashable {
        /// Lower case, `_` between words.
        let name: String
        let value: String
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    var time = Glibc.time(nil)
    var level = Logger.Level.warning
    let text: String
    /// What a program may look for, besides the text.
    var fields: [Field] = []
}

/// Lines for the operator on their way to where they are written, by a thread of its own: the log
/// may lie on a disk of this very mount, and whoever serves the mount must not wait for it.
///
/// Bounded: when it is full, lines are dropped, and their number is told in their place.
final class LogQueue: Sendable {
    private struct State: Sendable {
        var lines: [LogLine] = []
        var dropped = 0
        var isWriting = false
    }

    private let state = Watched(State())
    private let capacity: Int
    private let write: @Sendable (LogLine) -> Void

    init(capacity: Int = 1000, write: @escaping @Sendable (LogLine) -> Void) {
        self.capacity = capacity
        self.write = write
    }

    /// Starts the thread, which lives as long as the process.
    func start() {
        BackgroundThread.start { [self] in
            while true { writeNext() }
        }
    }

    /// Never waits for what is written.
    func post(_ line: LogLine) {
        state.withLock { state in
            guard state.lines.count < capacity else {
                state.dropped += 1
                return
            }
            state.lines.append(line)
        }
    }

    /// Waits until all is written; false if that takes longer than `seconds`.
    @discardableResult
    func drain(seconds: Double) -> Bool {
        state.within(seconds: seconds) {
            $0.lines.isEmpty && !$0.isWriting
        } _: {
            $1
        }
    }

    /// Waits for lines, and writes those that are there.
    func writeNext() {
        let (lines, dropped) = state.when {
            !$0.lines.isEmpty
        } _: { state in
            defer { state = State(isWriting: true) }
            return (state.lines, state.dropped)
        }
        for line in lines { write(line) }
        if dropped > 0 {
            write(LogLine(text: "\(dropped) lines were dropped: the log is slow"))
        }
        state.withLock { $0.isWriting = false }
    }
}
