import DiskFormat

/// Every bound of the engine. Their relations are asserted when a store is opened.
public struct Limits: Sendable {
    /// Memory for map pages of all disks and snapshots, bytes.
    public var mapMemory = 256 << 20
    /// Slots per chunk of new disks; nil: by the disk's size (`ChunkLayout.forDisk`).
    public var slotsPerChunk: UInt32?
    /// A checkpoint starts when the log since the last cut has this many data slots: 512 MiB.
    public var checkpointLogBlocks: UInt64 = 131_072
    /// Chunks of all lineages with an open file. Those in use may exceed it for a moment.
    public var openChunks = 1024
    /// Full chunks that wait for their fdatasync, at most.
    public var unsyncedChunks = 4
    /// Space set aside for discards, checkpoints and manifests, bytes; less on a small medium.
    public var reserveBytes: UInt64 = 128 << 20
    /// Dead blocks of a disk at which a pass of reclamation is asked for: an eighth of those it
    /// holds, but at least so many (8 MiB) and at most so many (512 MiB).
    public var leastReclaimBlocks: UInt64 = 2048
    public var mostReclaimBlocks: UInt64 = 131_072
    /// Discarded blocks that are given back without waiting for more: 1 MiB.
    public var leastDiscardBlocks = 256
    /// Chunks whose slots a walk of the maps notes in one go; fewer where there is no memory for
    /// their bitmaps.
    public var chunksPerWalk = 1 << 20
    /// Store all-zero blocks as discards.
    public var detectZeroes = false

    /// Blocks sealed and written in one go. Callers' writes of any length are cut into these: the
    /// kernel's longest request is one, so that what is written together lies together.
    static let blocksPerRun = 256
    /// Dirty map pages that a disk may have before it checkpoints, however many disks share.
    static let leastDirtyPages = 16
    /// Map leaves that one discard entry may touch.
    static let leavesPerDiscard = 64
    /// Slots of a chunk that is made from the space reserve.
    static let reserveChunkSlots: UInt32 = 256
    /// The least that the space reserve sets aside: some such chunks and manifests.
    static let leastReserve: UInt64 = 4 << 20
    /// Slots that are written as blank ahead of their use (1 MiB), once so many flushes in a row
    /// had so few slots to make durable.
    static let preparedSlots: UInt32 = 256
    static let smallFlushes = 4
    static let smallFlush: UInt64 = 16
    /// Blocks read in one go by recovery.
    static let blocksPerScan = 256

    public init() {}

    public static let standard = Limits()

    /// What to set aside on a medium of `capacity` bytes.
    func reserve(on capacity: UInt64) -> UInt64 {
        min(reserveBytes, max(Self.leastReserve, capacity / 32))
    }

    func check() throws {
        let largestRun = ChunkLayout.minimumSlots
        guard mapMemory >= 4 << 20, checkpointLogBlocks >= 64, openChunks >= 16,
            unsyncedChunks >= 1, (slotsPerChunk ?? largestRun) >= largestRun,
            slotsPerChunk.map({ ChunkLayout(slotCount: $0) != nil }) ?? true
        else {
            throw DiskError(
                .invalid,
                "limits out of range: at least 4 MiB of map memory, 64 log blocks, 16 open chunks,"
                    + " 1 unsynced chunk and 8 slots per chunk are needed")
        }
    }
}
