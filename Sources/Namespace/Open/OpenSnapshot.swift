import DiskEngine
import Glibc

/// An open file of a snapshot. Counts as a handle on it for as long as it lives.
public final class OpenSnapshot: Sendable {
    let reader: SnapshotReader
    private let opens: OpenTable
    private let reads: RequestCounters
    private let faults: FaultLog

    /// `opens` was told of this handle, and is told of its end.
    init(_ reader: SnapshotReader, opens: OpenTable, reads: RequestCounters, faults: FaultLog) {
        self.reader = reader
        self.reads = reads
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
        guard offset < reader.size else { return 0 }
        let count = Int(min(UInt64(buffer.count), reader.size - offset))
        guard count > 0 else { return 0 }
        try reads.counting(bytes: count) { () throws(FileError) in
            try run("read", at: offset) {
                try reader.read(into: .init(rebasing: buffer[..<count]), at: offset)
            }
        }
        return count
    }

    func seek(_ target: SeekTarget, from offset: UInt64) throws(FileError) -> UInt64 {
        guard offset < reader.size else { throw FileError(ENXIO, "seek beyond the end") }
        return try run("seek", at: offset) {
            switch target {
            case .data: try reader.nextData(from: offset)
            case .hole: try reader.nextHole(from: offset)
            }
        }.orBeyondEnd()
    }

    private func run<Result>(
        _ operation: String, at offset: UInt64, _ body: () throws -> Result
    ) throws(FileError) -> Result {
        try faults.guarding(operation, of: .snapshot(reader.id.text), at: offset, body)
    }
}
