import ControlPlane
import Glibc

/// How far something long has come, told on a terminal.
struct Progress {
    private let all: UInt64
    private let what: String
    private let isShown = isatty(STDERR_FILENO) == 1

    /// `all` is in bytes; 0: nobody knows.
    init(of all: UInt64, _ what: String) {
        self.all = all
        self.what = what
    }

    func reached(_ done: UInt64) {
        guard isShown else { return }
        let part =
            all == 0 ? ByteSize.text(done) : "\(done * 100 / all) % of \(ByteSize.text(all))"
        Terminal.complain("\r\(what): \(part) \u{1B}[K")
    }

    func end() { if isShown { Terminal.complain("\r\u{1B}[K") } }
}
