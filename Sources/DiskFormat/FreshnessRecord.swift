import CryptoPrimitives

/// What a store is known to have been: the content of a freshness anchor, which lies outside of it.
///
/// Everything in it is a lower bound ("at least this far"), so a record that lags behind its store
/// is always right. It holds no secrets, and no MAC: who can write to it is trusted.
///
/// Its bytes are a line of JSON and a line with the SHA-256 of the first, in hexadecimal digits,
/// which finds accidents.
public struct FreshnessRecord: Codable, Hashable, Sendable {
    public struct LineageFacts: Codable, Hashable, Sendable {
        /// Of its manifest.
        public var version: UInt64
        public let suite: Suite

        public init(version: UInt64, suite: Suite) {
            self.version = version
            self.suite = suite
        }
    }

    public struct DiskFacts: Codable, Hashable, Sendable {
        public let lineage: LineageID
        /// Of the disk's manifest.
        public var manifestVersion: UInt64
        /// The last session that wrote, and the SHA-256 of its salt; nil if none ever did.
        public var session: UInt64?
        public var saltHash: HexBytes?
        /// The log was durable up to here; nil if there was none.
        public var durable: LogPosition?

        public init(
            lineage: LineageID, manifestVersion: UInt64, session: SessionStamp?,
            durable: LogPosition?
        ) throws(CryptoError) {
            self.lineage = lineage
            self.manifestVersion = manifestVersion
            self.session = session?.number
            saltHash = try session.map { (stamp) throws(CryptoError) in try Self.hash(stamp) }
            self.durable = durable
        }

        /// What stands for a session's salt here.
        public static func hash(_ stamp: SessionStamp) throws(CryptoError) -> HexBytes {
            HexBytes(try SHA256.hash(stamp.salt.bytes))
        }
    }

    /// How many deleted things are remembered; then the oldest is forgotten.
    public static let deletedLimit = 1024
    /// Bytes that an anchor may have: enough for some 100,000 snapshots.
    public static let byteLimit = 16 << 20

    public let format: UInt16
    /// The store's id.
    public let store: String
    public private(set) var lineages: [String: LineageFacts] = [:]
    public private(set) var disks: [String: DiskFacts] = [:]
    /// The lineage of each snapshot.
    public private(set) var snapshots: [String: LineageID] = [:]
    /// Ids of disks, snapshots and lineages that were deleted, the oldest first.
    public private(set) var deleted: [String] = []

    /// A record of a store of which nothing is known.
    public init(store: String) {
        format = Format.version
        self.store = store
    }

    /// Whether this disk, snapshot or lineage was deleted.
    public func isDeleted(_ id: some CustomStringConvertible) -> Bool {
        deleted.contains(id.description)
    }
}

// Changes. Each tells whether anything did change.
extension FreshnessRecord {
    /// A lineage is known to have come so far; nothing is taken back.
    public mutating func note(_ id: LineageID, _ facts: LineageFacts) -> Bool {
        let key = id.description
        guard !isDeleted(key), facts.version > lineages[key]?.version ?? 0 else { return false }
        lineages[key] = facts
        return true
    }

    /// A disk is known to have come so far; nothing is taken back.
    public mutating func note(_ id: DiskID, _ facts: DiskFacts) -> Bool {
        guard !isDeleted(id.text) else { return false }
        guard var known = disks[id.text] else {
            disks[id.text] = facts
            return true
        }
        let before = known
        known.manifestVersion = max(known.manifestVersion, facts.manifestVersion)
        if facts.session ?? 0 > known.session ?? 0 {
            (known.session, known.saltHash) = (facts.session, facts.saltHash)
        }
        if let durable = facts.durable, known.durable.map({ $0.isBefore(durable) }) ?? true {
            known.durable = durable
        }
        disks[id.text] = known
        return known != before
    }

    /// A snapshot came to be, or was found where the anchor knew none.
    public mutating func note(_ id: SnapshotID, in lineage: LineageID, isNew: Bool) -> Bool {
        if isNew { deleted.removeAll { $0 == id.text } }
        guard !isDeleted(id.text), snapshots[id.text] != lineage else { return false }
        snapshots[id.text] = lineage
        return true
    }

    /// A lineage was made, or what is there was accepted as it is.
    public mutating func set(_ id: LineageID, _ facts: LineageFacts) {
        deleted.removeAll { $0 == id.description }
        lineages[id.description] = facts
    }

    /// A disk was made, or what is there was accepted as it is.
    public mutating func set(_ id: DiskID, _ facts: DiskFacts) {
        deleted.removeAll { $0 == id.text }
        disks[id.text] = facts
    }

    /// What is there of a disk is accepted: the next `note` says what that is.
    public mutating func accept(_ id: DiskID) {
        deleted.removeAll { $0 == id.text }
        disks[id.text] = nil
    }

    /// A disk is gone, for good.
    public mutating func forget(_ id: DiskID) {
        disks[id.text] = nil
        remember(deleted: id.text)
    }

    /// A snapshot is gone, for good.
    public mutating func forget(_ id: SnapshotID) {
        snapshots[id.text] = nil
        remember(deleted: id.text)
    }

    /// A lineage is gone, with everything in it.
    public mutating func forget(_ id: LineageID) {
        lineages[id.description] = nil
        disks = disks.filter { $0.value.lineage != id }
        snapshots = snapshots.filter { $0.value != id }
        remember(deleted: id.description)
    }

    private mutating func remember(deleted id: String) {
        deleted.removeAll { $0 == id }
        deleted.append(id)
        if deleted.count > Self.deletedLimit {
            deleted.removeFirst(deleted.count - Self.deletedLimit)
        }
    }
}

extension FreshnessRecord {
    public func encoded() throws(CryptoError) -> [UInt8] { try CheckedJSON.encode(self) }

    /// Throws `.malformed` for bytes that are not a whole record, `.unsupported` for one of another
    /// version.
    public init(decoding bytes: [UInt8]) throws {
        let record = try CheckedJSON.decode(Self.self, from: bytes, limit: Self.byteLimit)
        guard record.format == Format.version else {
            throw FormatError(.unsupported, "it is of format version \(record.format)")
        }
        self = record
    }
}

extension LogPosition {
    /// Whether this place lies before the other in the log of one disk.
    public func isBefore(_ other: LogPosition) -> Bool {
        (chunk, slot) < (other.chunk, other.slot)
    }
}
