import Glibc

/// A process to be waited for that is not a child of this one. The open folder under /proc stands
/// for this very process: a later one of the same id does not show in it.
struct ProcessWatch: ~Copyable {
    private let folder: Int32

    /// nil if there is no such process.
    init?(_ pid: Int32) {
        let folder = open("/proc/\(pid)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return nil }
        self.folder = folder
    }

    deinit { close(folder) }

    /// Returns when the process has ended; calls `patience` once when that takes more than two
    /// seconds.
    func waitForEnd(patience: () -> Void) {
        _ = waitForEnd(within: .max) { if $0 == 2 { patience() } }
    }

    /// Whether the process ended within so many seconds; calls `progress` with those that have
    /// passed after 2, 4, 8 and so on.
    func waitForEnd(within limit: Int, progress: (Int) -> Void) -> Bool {
        var (seconds, next) = (0, 2)
        while seconds < limit {
            for _ in 0..<100 {
                if hasEnded { return true }
                usleep(10_000)
            }
            seconds += 1
            if seconds == next {
                progress(seconds)
                next *= 2
            }
        }
        return hasEnded
    }

    /// Gone, or a zombie that its parent has not collected.
    private var hasEnded: Bool {
        let file = openat(folder, "stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return true }
        defer { close(file) }
        guard let text = HostText.bytes(of: file).map({ String(decoding: $0, as: UTF8.self) })
        else { return true }
        // `pid (name) state …`; the name may hold anything, so the last parenthesis counts.
        guard let name = text.lastIndex(of: ")") else { return true }
        return text[name...].dropFirst(2).first.map { "ZX".contains($0) } ?? true
    }
}
