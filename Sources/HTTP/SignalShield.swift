import Glibc

/// Keeps a connection that the other side closed from ending the process: OpenSSL writes to it as
/// to any file, and the kernel answers with SIGPIPE. From `init` to `end` on one thread.
struct SignalShield: ~Copyable {
    private var before = sigset_t()
    private var wasPending = false

    init() {
        var pipe = Self.pipe
        wasPending = Self.isPending
        pthread_sigmask(SIG_BLOCK, &pipe, &before)
    }

    consuming func end() {
        var pipe = Self.pipe
        if !wasPending, Self.isPending {
            var now = timespec()
            sigtimedwait(&pipe, nil, &now)
        }
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    private static var pipe: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGPIPE)
        return set
    }

    private static var isPending: Bool {
        var set = sigset_t()
        sigpending(&set)
        return sigismember(&set, SIGPIPE) == 1
    }
}
