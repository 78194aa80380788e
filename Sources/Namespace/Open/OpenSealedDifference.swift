import DiskEngine
import Glibc

/// An open sealed file of what one snapshot has that another does not. Counts as a handle on both
/// for as long as it lives.
public final class OpenSealedDifference: Sendable {
    private let reader: SealedDifferenceReader
    private let opens: OpenTable
    private let faults: FaultLog

    /// `opens` was told of the handles on both, and is told of their end.
    init(_ reader: SealedDifferenceReader, opens: OpenTable, faults: FaultLog) {
        self.reader = reader
        self.opens = opens
        self.faults = faults
    }

    deinit {
        reader.close()
        opens.leave(.snapshot(reader.id))
        opens.leave(.snapshot(reader.base))
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError)
        -> Int
    {
        try faults.guarding("read", of: "sealed snapshot \(reader.id)", at: offset) {
            try reader.read(into: buffer, at: offset)
        }
    }
}
