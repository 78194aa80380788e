import CFUSE
import Glibc
import Synchronization

/// What libfuse has to say goes here and not to stderr, so that a failed mount is told in one
/// message, by us.
enum LibfuseLog {
    private static let lines = Mutex<[String]>([])
    private static let limit = 20

    static func capture() {
        fuse_set_log_func { _, format, arguments in
            guard let format, let arguments else { return }
            var text = [CChar](repeating: 0, count: 512)
            vsnprintf(&text, text.count, format, arguments)
            LibfuseLog.add(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self))
        }
    }

    /// The last lines, joined; empties the log.
    static func take() -> String {
        lines.withLock { lines in
            defer { lines = [] }
            return lines.joined(separator: "; ")
        }
    }

    private static func add(_ text: String) {
        let line = text.split(separator: "\n").joined(separator: " ")
        lines.withLock { $0 = ($0 + [line]).suffix(limit) }
    }
}
