import Synchronization

/// Passes of reclamation since the store was opened.
public struct ReclamationPasses: Sendable, Hashable {
    public internal(set) var done: UInt64 = 0
    public internal(set) var failed: UInt64 = 0
    public internal(set) var nanoseconds: UInt64 = 0
}

/// What verifying has come to since the store was opened.
public final class ScrubWork: Sendable {
    private let pieces = Atomic<Int>(0)
    private let verified = Atomic<UInt64>(0)
    private let damage = Atomic<UInt64>(0)

    /// Pieces of disks and snapshots that are being verified at this moment.
    public var piecesUnderWay: Int { pieces.load(ordering: .relaxed) }
    /// Bytes of blocks that are what was sealed.
    public var verifiedBytes: UInt64 { verified.load(ordering: .relaxed) }
    /// Places that are not; one that is verified again counts again.
    public var findings: UInt64 { damage.load(ordering: .relaxed) }

    func counting(_ piece: () throws -> ScrubResult) rethrows -> ScrubResult {
        pieces.add(1, ordering: .relaxed)
        defer { pieces.subtract(1, ordering: .relaxed) }
        let result = try piece()
        verified.add(result.verifiedBytes, ordering: .relaxed)
        damage.add(UInt64(result.findings.count), ordering: .relaxed)
        return result
    }
}

extension Store {
    public var reclamationPasses: ReclamationPasses { reclaimer.passesDone }
}
