/// An attached disk that has grown: what stands on its file (a loop device) has to be told.
public struct GrownDisk: Sendable, Hashable {
    /// Of its file in the mount.
    public let path: String
    /// Its size now, in bytes. The kernel may learn it a moment later.
    public let size: UInt64
    /// Whether who tells it can wait for the kernel; a thread that serves the kernel cannot.
    public let mayWait: Bool
}
