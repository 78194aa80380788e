/// How a tree is mounted.
public struct MountOptions: Sendable, Hashable {
    /// Users besides the mounting one see the tree (they still open neither disks nor `control`).
    public var allowsOthers = false
    public var isReadOnly = false
    /// Options of mount(8) for the kernel, for instance `noexec`.
    public var kernelOptions: [String] = []

    public init() {}

    /// The `-o` text for libfuse.
    var text: String {
        var options = [
            "fsname=sealdisk", "subtype=sealdisk", "max_read=\(ThreadBuffers.payloadLimit)",
        ]
        if allowsOthers { options.append("allow_other") }
        if isReadOnly { options.append("ro") }
        return (options + kernelOptions).joined(separator: ",")
    }
}

/// Why a tree could not be mounted or served.
public struct MountError: Error, Sendable, CustomStringConvertible {
    public let description: String
}
