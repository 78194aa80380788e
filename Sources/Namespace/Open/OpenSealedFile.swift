import DiskEngine

/// An open sealed file of a snapshot. Counts as a handle on the snapshot for as long as it lives.
public final class OpenSealedSnapshot: Sendable {
    let reader: SealedSnapshotReader
    private let opens: OpenTable
    private let faults: FaultLog

    /// `opens` was told of this handle, and is told of its end.
    init(_ reader: SealedSnapshotReader, opens: OpenTable, faults: FaultLog) {
        self.reader = reader
        self.opens = opens
        self.faults = faults
    }

    deinit {
        reader.close()
        opens.leave(.snapshot(reader.id))
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError)
        -> Int
    {
        try faults.guarding("read", of: "sealed snapshot \(reader.id)", at: offset) {
            try reader.read(into: buffer, at: offset)
        }
    }
}
