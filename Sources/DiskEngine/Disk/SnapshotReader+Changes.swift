import DiskFormat

/// Consecutive bytes of a snapshot that are not what an older one has there.
public struct SnapshotChange: Hashable, Sendable {
    /// Whole blocks, in bytes.
    public let offset: UInt64
    public let length: UInt64
    /// Whether they are zeros that need no reading (holes) in the newer snapshot.
    public let isHole: Bool
}

extension SnapshotReader {
    /// Where this snapshot differs from an older one of its lineage, or, with nil, what it holds at
    /// all: in ascending order, from byte `offset` on. At most `limit` changes and those of one
    /// more map page (512), or fewer, even none, where much was compared; `next` is where to go on,
    /// nil at the end. What an older one that was larger had behind the end is not told. Blocks
    /// that were written anew with what they held before count as changed.
    ///
    /// Takes a time in proportion to the difference, not to the snapshots. Throws `.invalid` if
    /// they are not of one lineage, `.damaged`, `.io`.
    public func changes(since older: SnapshotReader?, from offset: UInt64 = 0, limit: Int) throws
        -> (changes: [SnapshotChange], next: UInt64?)
    {
        if let older, older.reader.lineage !== reader.lineage {
            throw DiskError(
                .invalid,
                "snapshots \(older.id) and \(id) are of different lineages, which have no block in"
                    + " common; compare snapshots of one disk, or of disks made from it")
        }
        let block = UInt64(Format.blockSize)
        let first = min(offset, size) / block
        do {
            let (changes, next) = try MapDiff(older: older?.reader, newer: reader)
                .changes(in: first..<size / block, limit: limit)
            return (
                changes.map {
                    SnapshotChange(
                        offset: $0.blocks.lowerBound * block,
                        length: UInt64($0.blocks.count) * block, isHole: $0.isHole)
                },
                next.map { $0 * block }
            )
        } catch let failure as OlderMapFailure {
            throw (older ?? self).comparing(failure.cause)
        } catch {
            throw comparing(error)
        }
    }

    private func comparing(_ error: any Error) -> DiskError {
        let cause = DiskError.wrap(error, while: "comparing snapshot \(id)")
        if cause.code == .damaged { onDamage(cause.message) }
        return cause
    }
}
