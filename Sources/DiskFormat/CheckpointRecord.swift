/// The body of a checkpoint slot: a state of the disk, complete in the log below it.
///
/// ```
/// 0    8  "SDCHKPT1"
/// 8    8  generation      1, 2, 3 … per disk
/// 16   8  size            of the disk, bytes
/// 24   8  root            address of the level-3 page, 0 if the disk is empty
/// 32   8  stored blocks   blocks that are not holes
/// 40   8  replay chunk    the cut: every change below it is in the map, none at or above it
/// 48   4  replay slot
/// 52  22  disk id, then zeros to 4096
/// ```
public struct CheckpointRecord: Hashable, Sendable {
    public let generation: UInt64
    public let size: UInt64
    public let root: BlockAddress
    public let storedBlocks: UInt64
    public let replayFrom: LogPosition
    public let disk: DiskID

    public init(
        generation: UInt64, size: UInt64, root: BlockAddress, storedBlocks: UInt64,
        replayFrom: LogPosition, disk: DiskID
    ) {
        self.generation = generation
        self.size = size
        self.root = root
        self.storedBlocks = storedBlocks
        self.replayFrom = replayFrom
        self.disk = disk
    }

    private static let magic = "SDCHKPT1"

    public func encoded() -> [UInt8] {
        var writer = ByteWriter(count: Format.blockSize)
        writer.put(Self.magic, width: 8)
        writer.put(generation)
        writer.put(size)
        writer.put(root.rawValue)
        writer.put(storedBlocks)
        writer.put(replayFrom.chunk.rawValue)
        writer.put(replayFrom.slot)
        writer.put(disk.text, width: 22)
        return writer.bytes
    }

    /// Throws `.malformed` if the fields make no sense.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(FormatError) {
        guard bytes.count == Format.blockSize else {
            throw FormatError(.malformed, "checkpoint of \(bytes.count) bytes")
        }
        var reader = ByteReader(bytes)
        let magic = reader.getText(width: 8)
        generation = reader.get(UInt64.self)
        size = reader.get(UInt64.self)
        root = BlockAddress(rawValue: reader.get(UInt64.self))
        storedBlocks = reader.get(UInt64.self)
        let chunk = ChunkNumber(rawValue: reader.get(UInt64.self))
        let slot = reader.get(UInt32.self)
        let id = reader.getText(width: 22).flatMap { DiskID($0) }
        guard magic == Self.magic, (1..<Format.maximumCount).contains(generation), let chunk,
            let id, slot <= ChunkLayout.maximumSlots, Self.isValidSize(size),
            storedBlocks <= size / UInt64(Format.blockSize), reader.restIsZero
        else { throw FormatError(.malformed, "checkpoint with fields that make no sense") }
        replayFrom = LogPosition(chunk: chunk, slot: slot)
        disk = id
    }

    /// Whether `size` bytes is a disk's size: whole blocks, 4 KiB to 32 TiB.
    public static func isValidSize(_ size: UInt64) -> Bool {
        size.isMultiple(of: UInt64(Format.blockSize))
            && (Format.minimumDiskSize...Format.maximumDiskSize).contains(size)
    }
}
