/// What is fixed about a mount while it lasts.
public struct MountFacts: Sendable, Hashable {
    /// The store's and the mount point's absolute paths, symbolic links resolved.
    public let store: String
    public let mountPoint: String
    /// The version of the program, and the process that serves the mount.
    public let version: String
    public let pid: Int32
    /// The user whose mount it is; besides root the only one who may open disks and `control`.
    public let owner: UInt32
    public let group: UInt32
    /// Nothing can be changed through the mount; `control` takes what asks, attaches or detaches.
    public let isReadOnly: Bool
    /// Disks that are not encrypted do not open here: a store that was tampered with cannot slip
    /// one in.
    public let requiresEncryption: Bool
    /// Every disk is held to the speed of its category, not only those that say so.
    public let limitsSpeed: Bool
    /// How this process is protected, measure by measure, in words.
    public let hardening: [String: String]

    public init(
        store: String, mountPoint: String, version: String, pid: Int32, owner: UInt32,
        group: UInt32, isReadOnly: Bool, requiresEncryption: Bool, limitsSpeed: Bool = false,
        hardening: [String: String]
    ) {
        self.limitsSpeed = limitsSpeed
        self.store = store
        self.mountPoint = mountPoint
        self.version = version
        self.pid = pid
        self.owner = owner
        self.group = group
        self.isReadOnly = isReadOnly
        self.requiresEncryption = requiresEncryption
        self.hardening = hardening
    }
}
