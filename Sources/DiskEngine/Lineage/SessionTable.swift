import DiskFormat

/// Who owns which chunk number, as the lineage's manifest last said. A value that is replaced as a
/// whole, so that looking up needs no lock.
///
/// Invariant: ranges of one lane are disjoint and ascending, as the manifest's format demands; so a
/// number has one owner at most, and gets no other while the store is open.
struct SessionTable: Sendable {
    private let lanes: [UInt16: [LineageManifest.Session]]

    init(_ sessions: [LineageManifest.Session]) {
        lanes = Dictionary(grouping: sessions, by: \.lane)
    }

    /// The session that owns a chunk's number; nil if none was ever given it.
    func owner(of chunk: ChunkNumber) -> LineageManifest.Session? {
        guard let sessions = lanes[chunk.lane] else { return nil }
        var (low, high) = (0, sessions.count)
        while low < high {
            let middle = (low + high) / 2
            if sessions[middle].endSequence <= chunk.sequence {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low < sessions.count, sessions[low].sequences.contains(chunk.sequence) else {
            return nil
        }
        return sessions[low]
    }
}
