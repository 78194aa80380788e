import CLoopDevice

/// How a loop device is set up.
struct LoopSettings: Hashable, Sendable {
    /// A sector as large as the disk's blocks is never half a block: no write has to read first.
    static let blockSize: UInt32 = 4096

    var isReadOnly = false
    /// The file system on the device has a cache of its own, and a second one below would only take
    /// memory.
    var hasDirectIO = true
    var hasPartitions = false
    var sectorSize = Self.blockSize

    /// As the kernel takes them.
    var flags: UInt32 {
        (isReadOnly ? UInt32(LO_FLAGS_READ_ONLY) : 0)
            | (hasDirectIO ? UInt32(LO_FLAGS_DIRECT_IO) : 0)
            | (hasPartitions ? UInt32(LO_FLAGS_PARTSCAN) : 0)
    }
}
