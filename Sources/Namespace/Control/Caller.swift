import Glibc

/// Who asks: the process behind a request, as the kernel tells it.
public struct Caller: Sendable, Hashable {
    public let user: UInt32
    /// The calling thread's id, 0 when it is outside this process's view.
    public let thread: Int32

    public init(user: UInt32, thread: Int32) {
        self.user = user
        self.thread = thread
    }

    /// A process that this one started: the mount's own errands must not count as users of it.
    var isErrand: Bool { thread > 0 && Self.parent(of: thread) == getpid() }

    private static func parent(of process: Int32) -> Int32? {
        let file = Glibc.open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        // `pid (name) state parent …`; the name may hold anything, so the last parenthesis counts.
        guard let name = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: name)...].split(separator: " ")
        return fields.count > 1 ? Int32(fields[1]) : nil
    }
}
