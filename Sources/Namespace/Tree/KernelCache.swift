/// What the kernel, and the memory that requests pass through, keep of the tree: to be dropped when
/// the tree changes by itself.
///
/// The calls wait for the kernel, and may make it write out pages first: never call them on a
/// thread that serves the kernel's requests, nor with a lock held that such a thread takes.
public protocol KernelCache: Sendable {
    /// Drops all cached pages and attributes of an inode.
    func dropPages(of inode: UInt64)
    /// Drops the attributes of an inode.
    func dropAttributes(of inode: UInt64)
    /// Wipes the memory that requests and replies were in.
    func wipePayloads()
}
