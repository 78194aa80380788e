import DiskEngine
import DiskFormat

/// What makes the bytes of a sealed file as they are read.
protocol SealedReader: Sendable {
    var id: SnapshotID { get }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int
    func close()
}

extension SealedSnapshotReader: SealedReader {}
extension SealedDifferenceReader: SealedReader {}

/// An open sealed file, of a snapshot or of what one has that another does not. Counts as a handle
/// on each of them for as long as it lives.
public final class OpenSealedFile: Sendable {
    /// Bytes; nil: a stream, whose end shows when it is read.
    let size: UInt64?
    private let reader: any SealedReader
    /// The snapshot; of a difference also the one that it begins from.
    let snapshots: [SnapshotID]
    private let opens: OpenTable
    private let reads: RequestCounters
    private let faults: FaultLog

    /// `opens` was told of these handles, and is told of their end.
    convenience init(
        _ reader: SealedSnapshotReader, opens: OpenTable, reads: RequestCounters, faults: FaultLog
    ) {
        self.init(reader, size: reader.size, of: [reader.id], opens, reads, faults)
    }

    /// The same.
    convenience init(
        _ reader: SealedDifferenceReader, opens: OpenTable, reads: RequestCounters,
        faults: FaultLog
    ) {
        self.init(reader, size: nil, of: [reader.id, reader.base], opens, reads, faults)
    }

    private init(
        _ reader: any SealedReader, size: UInt64?, of snapshots: [SnapshotID], _ opens: OpenTable,
        _ reads: RequestCounters, _ faults: FaultLog
    ) {
        self.reads = reads
        self.reader = reader
        self.size = size
        self.snapshots = snapshots
        self.opens = opens
        self.faults = faults
    }

    deinit {
        reader.close()
        for snapshot in snapshots { opens.leave(.snapshot(snapshot)) }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError)
        -> Int
    {
        let request = reads.begin()
        do throws(FileError) {
            let count = try faults.guarding(
                "read", of: .sealedSnapshot(reader.id.text), at: offset
            ) {
                try reader.read(into: buffer, at: offset)
            }
            reads.end(request, bytes: count)
            return count
        } catch {
            reads.fail(request)
            throw error
        }
    }
}
