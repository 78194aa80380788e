import CFUSE
import Namespace

/// Tells the kernel what to drop. That the kernel does not know an inode, or that the mount has
/// just ended, is as good: then there is nothing to drop.
///
/// ▲ Only what takes no lock that a user's request may hold: pages of files that nobody has open,
/// and attributes; never names (`Attributes.nameValidity`).
///
/// `@unchecked Sendable`: libfuse's notifications may come from any thread, and the session
/// outlives the threads of requests and imports, which alone make them (`MountSession` ends those
/// first).
struct KernelNotifier: KernelCache, @unchecked Sendable {
    let session: OpaquePointer

    func dropPages(of inode: UInt64) {
        fuse_lowlevel_notify_inval_inode(session, inode, 0, 0)
    }

    /// A negative offset leaves pages alone.
    func dropAttributes(of inode: UInt64) {
        fuse_lowlevel_notify_inval_inode(session, inode, -1, 0)
    }

    func wipePayloads() { ThreadBuffers.wipeAll() }
}
