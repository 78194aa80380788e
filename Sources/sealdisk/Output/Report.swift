import Glibc
import Synchronization

/// What the operator is told: a line each on stderr, in the log file, or in the system's log. The
/// process that serves a mount has them written by a thread of its own (`LogQueue`).
enum Report {
    private enum Place {
        case standardError
        /// Standard error, which leads into a file that lasts: lines carry the time.
        case file
        case systemLog
    }

    /// What syslog(3) marks the lines with, as in `journalctl -t sealdisk`. It keeps the pointer.
    static let identifier: StaticString = "sealdisk"
    private static let place = Mutex(Place.standardError)
    private static let queue = Mutex<LogQueue?>(nil)

    static func useSystemLog() {
        identifier.withUTF8Buffer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                openlog($0.baseAddress, LOG_PID, LOG_DAEMON)
            }
        }
        place.withLock { $0 = .systemLog }
    }

    static func useLogFile() { place.withLock { $0 = .file } }

    /// From here on no caller waits for what is written.
    static func useQueue() {
        let queue = LogQueue { write($0) }
        queue.start()
        Self.queue.withLock { $0 = queue }
    }

    static func line(_ text: String) {
        guard let queue = queue.withLock({ $0 }) else {
            return write(LogQueue.Line(time: time(nil), text: text))
        }
        queue.post(text)
    }

    /// Before the process ends: waits until all is written, or `seconds` have passed.
    static func drain(seconds: Double) { _ = queue.withLock { $0 }?.drain(seconds: seconds) }

    private static func write(_ line: LogQueue.Line) {
        let place = place.withLock { $0 }
        var text = line.text.hasPrefix("sealdisk: ") ? line.text : "sealdisk: \(line.text)"
        switch place {
        case .systemLog:
            text.removeFirst("sealdisk: ".count)
            return text.withCString { text in
                withVaList([text]) { vsyslog(LOG_DAEMON | LOG_WARNING, "%s", $0) }
            }
        case .file: text = "\(stamp(line.time)) \(text)\n"
        case .standardError: text += "\n"
        }
        text.withUTF8 { _ = Glibc.write(2, $0.baseAddress, $0.count) }
    }

    /// `2026-11-25T08:00:00Z`.
    static func stamp(_ seconds: Int) -> String {
        var (seconds, parts) = (seconds, tm())
        gmtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
