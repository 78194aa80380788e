import CFUSE
import Glibc
import Namespace
import Synchronization

/// A mount of a tree, from its mount(2) to its end.
///
/// Order: `init` mounts; `serve` answers the kernel until the tree is unmounted or `stop` is
/// called; `end` takes the mount away. The tree's control thread ends before the session does.
///
/// `@unchecked Sendable`: `session` is set once and libfuse locks its own state.
public final class MountSession: @unchecked Sendable {
    /// Enough for the depth of reads that wait for a cold disk; libfuse makes them as they are
    /// needed.
    private static let threadLimit: UInt32 = 16

    private let tree: Namespace
    /// Kept for the callbacks: what they find behind a request.
    private let adapter: Adapter
    private let session: OpaquePointer
    private let loop = Mutex<pthread_t?>(nil)

    /// Mounts the tree on a folder. From here on its users wait for `serve`.
    public init(_ tree: Namespace, at mountPoint: String, _ options: MountOptions)
        throws(MountError)
    {
        LibfuseLog.capture()
        let adapter = Adapter(tree)
        var table = operations()
        let made = Self.withArguments(["sealdisk", "-o", options.text]) { arguments in
            fuse_session_new(
                &arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size,
                Unmanaged.passUnretained(adapter).toOpaque())
        }
        guard let session = made else {
            throw MountError(description: "the mount options are refused: \(LibfuseLog.take())")
        }
        guard fuse_session_mount(session, mountPoint) == 0 else {
            fuse_session_destroy(session)
            throw MountError(description: "\(mountPoint): \(LibfuseLog.take())")
        }
        var io = DeviceIO.table()
        guard fuse_session_custom_io(session, &io, fuse_session_fd(session)) == 0 else {
            fuse_session_unmount(session)
            fuse_session_destroy(session)
            throw MountError(description: "libfuse: \(LibfuseLog.take())")
        }
        self.tree = tree
        self.adapter = adapter
        self.session = session
        tree.attachKernel(KernelNotifier(session: session))
    }

    /// Answers the kernel until the tree is unmounted or `stop` is called.
    public func serve() {
        Self.letWakeSignalIn()
        loop.withLock { $0 = pthread_self() }
        let configuration = fuse_loop_cfg_create()
        fuse_loop_cfg_set_clone_fd(configuration, 1)
        fuse_loop_cfg_set_max_threads(configuration, Self.threadLimit)
        fuse_session_loop_mt(session, configuration)
        fuse_loop_cfg_destroy(configuration)
        loop.withLock { $0 = nil }
    }

    /// Makes `serve` return, from another thread. Requests under way are answered.
    ///
    /// libfuse looks at the end only when a signal interrupts its wait; the signal may come just
    /// before the wait, hence the repetition.
    public func stop() {
        fuse_session_exit(session)
        var isServing = true
        while isServing {
            isServing = loop.withLock { thread in
                guard let thread else { return false }
                pthread_kill(thread, SIGUSR2)
                return true
            }
            usleep(10_000)
        }
    }

    /// Ends the mount, also with files still open: those get ENOTCONN from here on. `isInPlace`:
    /// it is what is mounted at its folder, from where it is taken away; else the folder is left
    /// alone, for another file system may be there meanwhile. After `serve` has returned, and once.
    public func end(isInPlace: Bool) {
        tree.closeControl()
        if isInPlace { fuse_session_unmount(session) }
        fuse_session_destroy(session)
    }

    /// The wake signal interrupts this thread's wait and does nothing else; whoever started the
    /// process may have left it blocked.
    private static func letWakeSignalIn() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGUSR2, &action, nil)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    private static func withArguments<Result>(
        _ arguments: [String], _ body: (inout fuse_args) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { pointers in
            var fuse = fuse_args(
                argc: Int32(arguments.count), argv: pointers.baseAddress, allocated: 0)
            defer { fuse_opt_free_args(&fuse) }
            return body(&fuse)
        }
    }
}
