import Glibc
import Synchronization

/// What a thread leaves to others where there are too few processors. Linux has that for each
/// thread.
///
/// Invariant: a value is raised only if it can be lowered again. Without the right to that
/// (CAP_SYS_NICE, or RLIMIT_NICE) a thread that yields once would yield for ever.
final class NiceValue: Sendable {
    private struct State {
        /// Of the kernel; nil before the thread has told.
        var thread: pid_t?
        var isYielding = false
        /// nil: not tried out yet.
        var mayReturn: Bool?
        var usual: CInt = 0
    }
    private let state = Mutex(State())

    /// How much a thread that yields is behind the others: a tenth of what they get is left to it,
    /// so that a lock that it holds comes free.
    private static let step: CInt = 10
    private static let most: CInt = 19
    private static let process = __priority_which_t(PRIO_PROCESS.rawValue)

    /// Called by the thread itself, once.
    func adoptThisThread() {
        var path = [CChar](repeating: 0, count: 64)
        let count = readlink("/proc/thread-self", &path, path.count)
        guard count > 0 else { return }
        let text = String(decoding: path[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard let number = text.split(separator: "/").last.flatMap({ pid_t($0) }) else { return }
        state.withLock {
            $0.thread = number
            $0.usual = getpriority(Self.process, id_t(number))
        }
    }

    /// Where the system does not let it, nothing changes.
    func set(yielding: Bool) {
        state.withLock { state in
            guard let thread = state.thread, state.isYielding != yielding else { return }
            let mayReturn = state.mayReturn ?? Self.mayReturn(thread, to: state.usual)
            state.mayReturn = mayReturn
            guard mayReturn else { return }
            let value = yielding ? min(Self.most, state.usual + Self.step) : state.usual
            if setpriority(Self.process, id_t(thread), value) == 0 { state.isYielding = yielding }
        }
    }

    /// Tried out by a single step.
    private static func mayReturn(_ thread: pid_t, to usual: CInt) -> Bool {
        setpriority(Self.process, id_t(thread), min(most, usual + 1)) == 0
            && setpriority(Self.process, id_t(thread), usual) == 0
    }
}
