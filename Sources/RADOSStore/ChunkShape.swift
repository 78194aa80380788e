/// How the chunks of a store are made up: a head, a table of records that is padded to whole
/// blocks, and blocks, to each of which the record of its number belongs.
///
/// A store that knows this has each record in the object of its block: both are written by one
/// order, which costs the cluster one commit, and read by requests to one object.
public struct ChunkShape: Sendable, Hashable {
    /// Bytes. Invariant: the head is whole blocks, a block is whole records, and a piece's blocks
    /// are those of whole blocks of the table.
    public let head: UInt64
    public let record: UInt64
    public let block: UInt64

    /// nil if the sizes are not as the invariant has it.
    public init?(head: UInt64, record: UInt64, block: UInt64) {
        guard record > 0, block >= record, block <= Pieces.size, head <= Pieces.size,
            head % block == 0, block % record == 0, Pieces.size % block == 0,
            Pieces.size / block * record % block == 0
        else { return nil }
        self.head = head
        self.record = record
        self.block = block
    }

    /// Bytes of the table in each piece.
    var tableOfPiece: UInt64 { Pieces.size / block * record }

    /// Where the blocks begin in a chunk of so many bytes; nil if none of this shape has so many.
    func blocksOffset(inChunkOf length: UInt64) -> UInt64? {
        guard length > head, (length - head) % block == 0 else { return nil }
        let all = (length - head) / block
        let recordsOfBlock = block / record
        // Of each so many and one, one is of the table, and so is a last one that is begun.
        let table = (all + recordsOfBlock) / (recordsOfBlock + 1)
        guard table > 0, table < all else { return nil }
        let isTable = (all - table + recordsOfBlock - 1) / recordsOfBlock == table
        return isTable ? head + table * block : nil
    }
}
