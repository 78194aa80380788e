/// How a tree is mounted. There is no `ro` for the kernel: it would refuse to open `control` for
/// requests, also for those that only ask. A tree that is read-only refuses by itself.
public struct MountOptions: Sendable, Hashable {
    /// Users besides the mounting one see the tree (they still open neither disks nor `control`).
    public var allowsOthers = false
    /// Options of mount(8) for the kernel, for instance `noexec`.
    public var kernelOptions: [String] = []

    /// What /proc/self/mountinfo shows as the mount's source: the store's absolute path.
    public var source = "sealdisk"

    public init() {}

    /// The `-o` text for libfuse.
    var text: String {
        var options = [
            "fsname=\(Self.escaped(source))", "subtype=sealdisk",
            "max_read=\(ThreadBuffers.payloadLimit)",
        ]
        if allowsOthers { options.append("allow_other") }
        return (options + kernelOptions).joined(separator: ",")
    }

    /// libfuse parts options at commas, unless a backslash stands before them.
    private static func escaped(_ value: String) -> String {
        String(value.flatMap { $0 == "," || $0 == "\\" ? ["\\", $0] : [$0] })
    }
}

/// Why a tree could not be mounted or served.
public struct MountError: Error, Sendable, CustomStringConvertible {
    public let description: String
}
