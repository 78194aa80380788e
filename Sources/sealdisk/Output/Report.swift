import Glibc
import Logging
import Synchronization

/// What the operator is told: a line each on stderr, in the log file, in the journal, or in the
/// system's log. The process that serves a mount has them written by a thread of its own
/// (`LogQueue`).
enum Report {
    private enum Place {
        case standardError
        /// A file that lasts: lines carry time and level.
        case file(Int32)
        case journal(Journal)
        case systemLog
    }

    /// What syslog(3) marks the lines with, as in `journalctl -t sealdisk`. It keeps the pointer.
    static let identifier: StaticString = "sealdisk"
    private static let place = Mutex(Place.standardError)
    private static let queue = Mutex<LogQueue?>(nil)
    private static let threshold = Mutex(Logger.Level.info)

    /// The journal, or where there is none the system's log.
    static func useSystemLog() {
        identifier.withUTF8Buffer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                openlog($0.baseAddress, LOG_PID, LOG_DAEMON)
            }
        }
        let journal = Journal()
        place.withLock { $0 = journal.map { .journal($0) } ?? .systemLog }
    }

    static func useLogFile(_ descriptor: Int32) { place.withLock { $0 = .file(descriptor) } }

    /// From here on no caller waits for what is written.
    static func useQueue() {
        let queue = LogQueue { write($0) }
        queue.start()
        Self.queue.withLock { $0 = queue }
    }

    /// Lines below this level are not told.
    static func useLevel(_ level: Logger.Level) { threshold.withLock { $0 = level } }

    static func line(
        _ text: String, _ level: Logger.Level = .warning, fields: [LogLine.Field] = []
    ) {
        guard level >= threshold.withLock({ $0 }) else { return }
        let line = LogLine(level: level, text: text, fields: fields)
        guard let queue = queue.withLock({ $0 }) else { return write(line) }
        queue.post(line)
    }

    /// Before the process ends: waits until all is written, or `seconds` have passed.
    static func drain(seconds: Double) { _ = queue.withLock { $0 }?.drain(seconds: seconds) }

    private static func write(_ line: LogLine) {
        switch place.withLock({ $0 }) {
        case .journal(let journal):
            // What the journal does not take is better in the other log than nowhere.
            if !journal.send(line) { writeToSystemLog(line) }
        case .systemLog: writeToSystemLog(line)
        case .file(let descriptor): write(fileText(line), to: descriptor)
        case .standardError: write("sealdisk: \(line.text)\(words(line.fields))\n", to: 2)
        }
    }

    private static func writeToSystemLog(_ line: LogLine) {
        (line.text + words(line.fields)).withCString { text in
            withVaList([text]) { vsyslog(LOG_DAEMON | line.level.priority, "%s", $0) }
        }
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }

    /// `2026-11-25T08:00:00Z error sealdisk: text disk=d-… offset=4096`.
    static func fileText(_ line: LogLine) -> String {
        "\(stamp(line.time)) \(line.level) sealdisk: \(line.text)\(words(line.fields))\n"
    }

    /// ` name=value` each, in quotes what has spaces.
    private static func words(_ fields: [LogLine.Field]) -> String {
        fields.map { field in
            let isPlain = !field.value.isEmpty && !field.value.contains { " \"=\n\\".contains($0) }
            return " \(field.name)=\(isPlain ? field.value : field.value.debugDescription)"
        }.joined()
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
