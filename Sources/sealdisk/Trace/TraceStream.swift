import Glibc

/// An open `trace/NAME`, read line by line.
struct TraceStream: ~Copyable {
    private let path: String
    private let descriptor: Int32
    /// What has come of a line that is not whole yet.
    private var rest: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    init(_ path: String, disk: String) throws(Failure) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor < 0 else { return }
        let cause = errno
        switch cause {
        case EACCES, EPERM:
            throw Failure(
                .denied, "\(path) may not be opened: \(String(cString: strerror(cause))).",
                advice: "Run this as the user who mounted the store, or as root.")
        case ENOKEY, ENXIO: throw Self.unattached(disk)
        case EBUSY:
            throw Failure(
                .busy, "Disk \(disk) is traced too many times already.",
                advice: "End one of those, then repeat.")
        case ENOENT:
            throw Failure(
                .failed, "The mount does not know \(path).",
                advice: "It may be of an earlier version: sealdisk mount --takeover replaces it.")
        default: throw Self.broken(path, cause)
        }
    }

    deinit { close(descriptor) }

    static func unattached(_ disk: String) -> Failure {
        Failure(
            .busy, "Disk \(disk) is not attached: nobody asks anything of it.",
            advice: "Attach it first: sealdisk disk attach \(disk)")
    }

    private static func broken(_ path: String, _ cause: Int32) -> Failure {
        Failure(
            .failed, "\(path) could not be read: \(String(cString: strerror(cause))).",
            advice: "See what became of the mount: sealdisk status")
    }

    /// The lines that have come; none if nothing has happened.
    mutating func lines() throws(Failure) -> [String] {
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count >= 0 else {
            if errno == EINTR { return [] }
            throw Self.broken(path, errno)
        }
        rest += buffer[..<count]
        guard let last = rest.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
        let lines = rest[..<last].split(separator: UInt8(ascii: "\n"))
            .map { String(decoding: $0, as: UTF8.self) }
        rest.removeFirst(last + 1)
        return lines
    }
}
