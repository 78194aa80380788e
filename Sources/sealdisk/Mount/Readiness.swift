import Glibc
import Synchronization

/// The background process's end of the pipe to whoever waits for the mount, and what is said on it:
/// `ready`, or a failure's message and advice.
///
/// Invariant: at most one thing is said; afterwards, or when the process dies, the pipe is closed.
final class Readiness: Sendable {
    static let ready = "ready"
    private static let separator: Character = "\u{0}"

    private let descriptor: Int32?
    private let hasSpoken = Atomic(false)

    /// `descriptor`: the pipe; nil in the foreground, where nobody waits.
    init(descriptor: Int32?) {
        self.descriptor = descriptor
        // Not for the commands that this process may run.
        if let descriptor { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    var isAwaited: Bool { descriptor != nil }

    func report() { say(Self.ready) }

    func report(_ failure: Failure) {
        say("\(failure.message)\(Self.separator)\(failure.advice)")
    }

    /// The failure that was told; nil if nothing was.
    static func parse(_ text: String, exitCode: Int32) -> Failure? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        return Failure(
            message: String(parts[0]), advice: String(parts[1]), exitCode: exitCode)
    }

    private func say(_ text: String) {
        guard let descriptor, !hasSpoken.exchange(true, ordering: .relaxed) else { return }
        var text = text
        text.withUTF8 { bytes in
            // Less than a pipe holds, to a reader that waits for it: written at once or not at all.
            _ = write(descriptor, bytes.baseAddress, bytes.count)
        }
        close(descriptor)
    }
}

extension Failure {
    /// As another process told it.
    fileprivate init(message: String, advice: String, exitCode: Int32) {
        self.message = message
        self.advice = advice
        self.exitCode = exitCode
    }
}
