import CryptoPrimitives
import DiskFormat
import KeyManagement

/// Whether a store's freshness is anchored outside of it.
public struct FreshnessStatus: Sendable, Hashable, Encodable {
    public enum Kind: String, Sendable, Encodable {
        case unanchored
        /// An unclean stop may leave the anchor a second behind.
        case anchored
        /// No flush is answered before the anchor knows of it.
        case strict
    }

    public let kind: Kind
    /// Where the anchor is; nil without one.
    public let place: String?
    /// Whether there was no anchor when the store was opened, so that it was trusted as it was.
    public let isFirstUse: Bool
    /// Why the anchor could not be written when that was last tried.
    public let failure: String?
}

// What the anchor is told. Nothing is told before the store has it durably.
extension Store {
    public var freshnessStatus: FreshnessStatus {
        guard let freshness else {
            return FreshnessStatus(kind: .unanchored, place: nil, isFirstUse: false, failure: nil)
        }
        return FreshnessStatus(
            kind: freshness.isStrict ? .strict : .anchored, place: freshness.place,
            isFirstUse: freshness.isFirstUse, failure: freshness.failure.map { $0.message })
    }

    /// Has the anchor follow what was flushed since the last time; to be called once a second while
    /// disks are attached. Without news, or an anchor, it costs next to nothing. Throws `.io`.
    public func recordFreshness() throws {
        guard let freshness else { return }
        let (disks, lineages) = monitor.withLock {
            (Array(catalogue.attached.values), catalogue.openLineages.values.map(\.lineage))
        }
        for disk in disks { disk.noteFreshness() }
        for lineage in lineages { lineage.noteFreshness() }
        try freshness.write()
    }

    /// A disk that was just opened: the anchor knows it from here on, or it is not opened.
    func anchorOpened(_ disk: Disk) throws {
        guard let freshness, !disk.takesImport else { return }
        disk.noteFreshness()
        try freshness.write()
    }

    /// A lineage was made.
    func noteMade(_ id: LineageID, suite: Suite, version: UInt64) {
        freshness?.note {
            $0.set(id, .init(version: version, suite: suite))
            return true
        }
    }

    /// A disk was made, with nothing logged.
    func noteMade(_ id: DiskID, in lineage: LineageID) throws {
        guard let freshness else { return }
        let facts = try FreshnessRecord.DiskFacts(
            lineage: lineage, manifestVersion: 1, session: nil, durable: nil)
        freshness.note {
            $0.set(id, facts)
            return true
        }
    }

    /// A disk, snapshot or lineage was deleted.
    func noteDeleted(_ change: (inout FreshnessRecord) -> Void) {
        freshness?.note {
            change(&$0)
            return true
        }
    }
}
