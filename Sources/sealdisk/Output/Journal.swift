import Glibc
import Logging

/// The journal of systemd, by its native protocol: a datagram a line, with fields of its own.
struct Journal: Sendable {
    /// Where it listens; another place for a container that has the host's elsewhere.
    static var standardPath: String {
        environmentVariable("SEALDISK_JOURNAL") ?? "/run/systemd/journal/socket"
    }

    /// Bytes of a field's value that are sent: a datagram has to fit into the socket's buffer.
    private static let longestValue = 16 << 10
    private let path: String
    private let socket: Int32

    /// nil: there is no journal.
    init?(path: String = standardPath) {
        guard access(path, W_OK) == 0, path.utf8.count < 100 else { return nil }
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        self.path = path
        // One that hangs keeps the thread of the log for so long, and nobody else.
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Whether it is the journal that a descriptor leads to: what the service manager says in
    /// `JOURNAL_STREAM`, the device and inode of standard error, holds of it.
    static func isBehind(_ descriptor: Int32) -> Bool {
        var status = stat()
        guard let stream = environmentVariable("JOURNAL_STREAM"), fstat(descriptor, &status) == 0
        else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }

    /// False if it does not take the line: it is being started again, for instance.
    func send(_ line: LogLine) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bytes = Self.datagram(line)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let sent = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, size)
            }
        }
        return sent == bytes.count
    }

    static func datagram(_ line: LogLine) -> [UInt8] {
        var bytes: [UInt8] = []
        append("MESSAGE", line.text, to: &bytes)
        append("PRIORITY", "\(line.level.priority)", to: &bytes)
        append("SYSLOG_IDENTIFIER", "sealdisk", to: &bytes)
        append("SYSLOG_PID", "\(getpid())", to: &bytes)
        for field in line.fields {
            append("SEALDISK_\(field.name.uppercased())", field.value, to: &bytes)
        }
        return bytes
    }

    /// `NAME=value`, or, if the value has lines, the name, its length and its bytes.
    private static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        let value = Array(value.utf8.prefix(longestValue))
        bytes += Array(name.utf8)
        if value.contains(UInt8(ascii: "\n")) {
            bytes.append(UInt8(ascii: "\n"))
            withUnsafeBytes(of: UInt64(value.count).littleEndian) { bytes += Array($0) }
        } else {
            bytes.append(UInt8(ascii: "="))
        }
        bytes += value
        bytes.append(UInt8(ascii: "\n"))
    }
}

extension Logger.Level {
    /// syslog(3)'s number.
    var priority: Int32 {
        switch self {
        case .trace, .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        case .critical: LOG_CRIT
        }
    }
}
