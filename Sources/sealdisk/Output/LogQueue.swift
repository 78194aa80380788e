import Glibc
import Namespace

/// Lines for the operator on their way to where they are written, by a thread of its own: the log
/// may lie on a disk of this very mount, and whoever serves the mount must not wait for it.
///
/// Bounded: when it is full, lines are dropped, and their number is told in their place.
final class LogQueue: Sendable {
    struct Line: Sendable, Hashable {
        /// Seconds since 1970-01-01T00:00:00Z.
        let time: Int
        let text: String
    }

    private struct State: Sendable {
        var lines: [Line] = []
        var dropped = 0
        var isWriting = false
    }

    private let state = Watched(State())
    private let capacity: Int
    private let write: @Sendable (Line) -> Void

    init(capacity: Int = 1000, write: @escaping @Sendable (Line) -> Void) {
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
    func post(_ text: String) {
        let line = Line(time: time(nil), text: text)
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
            write(Line(time: time(nil), text: "\(dropped) lines were dropped: the log is slow"))
        }
        state.withLock { $0.isWriting = false }
    }
}
