import CFUSE
import Glibc
import Namespace
import Synchronization

/// A mount of a tree, from its mount(2) to its end.
///
/// Order: `init` mounts; `serve` answers the kernel until the tree is unmounted or `stop` is
/// called; `end` takes the mount away. The tree's control threads end before the session does.
///
/// Invariant: libfuse's session is reached through `phase` alone, under its lock, but by the thread
/// in `serve` and by the tree's control threads, which all end before it is destroyed.
public final class MountSession: Sendable {
    /// Enough for the depth of reads that wait for a cold disk; libfuse makes them as they are
    /// needed.
    private static let threadLimit: UInt32 = 16

    /// Kept for the callbacks: what they find behind a request.
    let adapter: Adapter
    private let phase: Mutex<Phase>
    /// /dev/fuse, as this mount has it open.
    public let descriptor: Int32
    /// Another process made the mount: libfuse does not know how to take it away.
    public let isTakenOver: Bool

    /// `@unchecked Sendable`: libfuse locks its own state.
    private struct Session: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private enum Phase: Sendable {
        /// Before or after the serving.
        case idle(Session)
        /// The thread that waits in libfuse's loop.
        case serving(Session, pthread_t)
        /// The session is destroyed: there is nothing left that could be reached.
        case ended
    }

    /// Mounts the tree on a folder. From here on its users wait for `serve`.
    public init(_ tree: Namespace, at mountPoint: String, _ options: MountOptions)
        throws(MountError)
    {
        let adapter = Adapter(tree)
        let session = try Self.make(adapter, options.text)
        guard fuse_session_mount(session, mountPoint) == 0 else {
            fuse_session_destroy(session)
            throw MountError(description: "\(mountPoint): \(LibfuseLog.take())")
        }
        let descriptor = fuse_session_fd(session)
        var io = DeviceIO.table()
        guard fuse_session_custom_io(session, &io, descriptor) == 0 else {
            fuse_session_unmount(session)
            fuse_session_destroy(session)
            throw MountError(description: "libfuse: \(LibfuseLog.take())")
        }
        self.adapter = adapter
        self.descriptor = descriptor
        isTakenOver = false
        phase = Mutex(.idle(Session(pointer: session)))
        tree.attachKernel(KernelNotifier(session: session))
    }

    /// Takes over a mount that another process made and has stopped serving. `descriptor` is its
    /// /dev/fuse, and is closed with this session; `tree` goes on where the other's stopped.
    public init(_ tree: Namespace, takingOver descriptor: Int32, _ state: SessionState)
        throws(MountError)
    {
        guard state.payloadLimit <= ThreadBuffers.payloadLimit else {
            throw MountError(
                description: "the kernel was told of payloads of \(state.payloadLimit) bytes, and"
                    + " this version takes \(ThreadBuffers.payloadLimit)")
        }
        let adapter = Adapter(tree)
        try Self.reopen(state, in: tree, adapter)
        let session = try Self.make(adapter, "max_read=\(ThreadBuffers.payloadLimit)")
        var io = DeviceIO.table()
        guard fuse_session_custom_io(session, &io, descriptor) == 0 else {
            fuse_session_destroy(session)
            throw MountError(description: "libfuse: \(LibfuseLog.take())")
        }
        self.adapter = adapter
        self.descriptor = descriptor
        isTakenOver = true
        phase = Mutex(.idle(Session(pointer: session)))
        Self.repeatAgreement(session, state.firstRequest, adapter)
        tree.attachKernel(KernelNotifier(session: session))
    }

    private static func make(_ adapter: Adapter, _ options: String) throws(MountError)
        -> OpaquePointer
    {
        LibfuseLog.capture()
        var table = operations()
        let made = withArguments(["sealdisk", "-o", options]) { arguments in
            fuse_session_new(
                &arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size,
                Unmanaged.passUnretained(adapter).toOpaque())
        }
        guard let made else {
            throw MountError(description: "the mount options are refused: \(LibfuseLog.take())")
        }
        return made
    }

    /// Answers the kernel until the tree is unmounted or `stop` is called.
    public func serve() {
        WakeSignal.letIn()
        let begun = phase.withLock { phase -> Session? in
            guard case .idle(let session) = phase else { return nil }
            phase = .serving(session, pthread_self())
            return session
        }
        guard let session = begun else { return }
        let configuration = fuse_loop_cfg_create()
        fuse_loop_cfg_set_clone_fd(configuration, 1)
        fuse_loop_cfg_set_max_threads(configuration, Self.threadLimit)
        fuse_session_loop_mt(session.pointer, configuration)
        fuse_loop_cfg_destroy(configuration)
        phase.withLock { phase in
            if case .serving = phase { phase = .idle(session) }
        }
    }

    /// Makes `serve` return, from another thread. Requests under way are answered. After `end`,
    /// for instance by a signal that comes while the store is being closed, it does nothing.
    ///
    /// libfuse looks at the end only when a signal interrupts its wait; the signal may come just
    /// before the wait, hence the repetition.
    public func stop() {
        while stopOnce() { usleep(10_000) }
    }

    /// Whether `serve` has still to return.
    private func stopOnce() -> Bool {
        phase.withLock { phase in
            switch phase {
            case .ended: return false
            case .idle(let session):
                fuse_session_exit(session.pointer)
                return false
            case .serving(let session, let thread):
                fuse_session_exit(session.pointer)
                pthread_kill(thread, WakeSignal.number)
                return true
            }
        }
    }

    /// Ends the mount, also with files still open: those get ENOTCONN from here on. `isInPlace`:
    /// it is what is mounted at its folder, from where it is taken away; else the folder is left
    /// alone, for another file system may be there meanwhile. After `serve` has returned; a second
    /// time does nothing. A request to `control` has `seconds` to finish; after that the session
    /// stays in memory, for a control thread may use it.
    public func end(isInPlace: Bool, within seconds: Double) {
        let isUnused = adapter.tree.closeControl(within: seconds)
        let last = phase.withLock { phase -> Session? in
            guard case .idle(let session) = phase else { return nil }
            phase = .ended
            return session
        }
        guard let session = last?.pointer else { return }
        if isInPlace { fuse_session_unmount(session) }
        if isUnused { fuse_session_destroy(session) }
    }

    /// Takes the mount away, if it is in its place, although `serve` does not return, before the
    /// process leaves: nothing is destroyed, for threads that hang may use it.
    public func abandon(isInPlace: Bool) {
        let last = phase.withLock { phase -> Session? in
            defer { phase = .ended }
            switch phase {
            case .ended: return nil
            case .idle(let session), .serving(let session, _): return session
            }
        }
        if let last, isInPlace { fuse_session_unmount(last.pointer) }
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
