@testable import DiskFormat

extension FuzzTarget {
    /// The body of a checkpoint slot, its size put right.
    static let checkpointRecord = FuzzTarget("checkpoint-record") {
        [BlockAddress.hole, BlockAddress(chunk: Example.chunk, slot: 9)].map {
            CheckpointRecord(
                generation: 4, size: 1 << 20, root: $0, storedBlocks: 200,
                replayFrom: LogPosition(chunk: Example.chunk, slot: 40), disk: Example.disk
            ).encoded()
        }
    } run: { bytes in
        let record = try decoded(bytes.padded(to: Format.blockSize))
        requireSame(record) { try decoded(record.encoded()) }
        _ = try decoded(bytes)
    }

    private static func decoded(_ bytes: [UInt8]) throws -> CheckpointRecord {
        try bytes.withUnsafeBytes { try CheckpointRecord(decoding: $0) }
    }
}
