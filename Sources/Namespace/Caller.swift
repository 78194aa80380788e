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

    /// A thread of this very process: the tree reading its own mount must not count as a user.
    var isThisProcess: Bool {
        thread > 0 && Glibc.access("/proc/self/task/\(thread)", F_OK) == 0
    }
}
