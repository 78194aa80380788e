import ControlPlane
import Glibc
import Synchronization

/// How far something long has come: told on a terminal as a bar with rate and time left, as lines
/// for a log or a program if that is asked for, and in any case to `sealdisk jobs`.
final class Progress: Sendable {
    private struct State: Sendable {
        /// Seconds of a clock that is never set.
        var lastTold: Double
        var lastRecorded: Double
        var hasEnded = false
    }

    private let job: Job
    private let form: ProgressForm
    private let begin: Double
    /// Where it began: not counted in the rate.
    private let start: UInt64
    private let state: Mutex<State>

    /// - Parameters:
    ///   - all: bytes; 0: nobody knows.
    ///   - what: a verb and its object, `Exporting monday`.
    ///   - start: how many bytes were done before.
    init(of all: UInt64, _ what: String, _ form: ProgressForm, from start: UInt64 = 0) {
        job = Job(what: what, all: all)
        self.form = form.chosen
        self.start = start
        begin = Self.now()
        state = Mutex(State(lastTold: begin, lastRecorded: begin))
        job.record(done: start, of: all, rate: nil)
    }

    deinit { end() }

    /// So many bytes are done; `all`: of how many, where that is known only now.
    func reached(_ done: UInt64, of all: UInt64? = nil) {
        let all = all ?? job.all
        let now = Self.now()
        let (isTold, isRecorded) = state.withLock { state in
            guard !state.hasEnded else { return (false, false) }
            let due = (
                now - state.lastTold >= form.period, now - state.lastRecorded >= Job.period
            )
            if due.0 { state.lastTold = now }
            if due.1 { state.lastRecorded = now }
            return due
        }
        let rate = now > begin && done > start ? Double(done - start) / (now - begin) : nil
        if isRecorded { job.record(done: done, of: all, rate: rate) }
        if isTold { tell(ProgressLine(what: job.what, done: done, all: all, rate: rate)) }
    }

    /// It is over: the bar goes, and `sealdisk jobs` knows of it no more.
    func end() {
        let isFirst = state.withLock { state in
            defer { state.hasEnded = true }
            return !state.hasEnded
        }
        guard isFirst else { return }
        job.forget()
        if form == .bar { Terminal.complain("\r\u{1B}[K") }
    }

    private func tell(_ line: ProgressLine) {
        switch form {
        case .bar: Terminal.complain("\r\(line.bar(width: Terminal.errorWidth))\u{1B}[K")
        case .lines: Terminal.complain("\(line.text)\n")
        case .json: Terminal.complain("\(line.json.text)\n")
        case .auto, .none: break
        }
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// One state of a job, in the forms that it is told in.
struct ProgressLine {
    let what: String
    let done: UInt64
    /// 0: nobody knows.
    let all: UInt64
    /// Bytes a second, nil before anything is done.
    let rate: Double?

    /// 0 to 100; nil where nobody knows.
    var percent: UInt64? { all > 0 ? min(done, all) * 100 / all : nil }

    /// Seconds; nil where nobody knows.
    var left: UInt64? {
        guard let rate, rate > 0, all > 0 else { return nil }
        return done < all ? UInt64(min(Double(all - done) / rate, 1e9)) : 0
    }

    var text: String {
        var parts = [
            percent.map { "\($0) % of \(ByteSize.text(all))" } ?? ByteSize.text(done)
        ]
        if let rate { parts.append("\(ByteSize.text(UInt64(rate)))/s") }
        if let left { parts.append("\(Self.duration(left)) left") }
        return "\(what): \(parts.joined(separator: ", "))"
    }

    /// The text behind a bar, as wide as there is room for.
    func bar(width: Int) -> String {
        let text = Table.printable(text)
        let room = width - text.count - 4
        guard let percent, room >= 10 else { return String(text.prefix(max(width - 1, 1))) }
        let length = min(room, 30)
        let full = length * Int(percent) / 100
        return "[" + String(repeating: "#", count: full)
            + String(repeating: ".", count: length - full) + "] " + text
    }

    /// Documented in CommandLine.md.
    var json: JSON {
        var fields: JSONObject = ["Job": .string(what), "DoneBytes": .integer(done)]
        fields.append("TotalBytes", all > 0 ? .integer(all) : nil)
        fields.append("BytesPerSecond", rate.map { .integer(UInt64($0)) })
        fields.append("SecondsLeft", left.map { .integer($0) })
        return .object(fields)
    }

    /// `3 s`, `2 min 5 s`, `1 h 2 min`.
    static func duration(_ seconds: UInt64) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        default: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        }
    }
}
