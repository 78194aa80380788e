import CryptoPrimitives

/// A state of a disk that its map in the store holds in full.
public struct DiskState: Codable, Hashable, Sendable {
    /// Address of the map's root page; a hole if nothing is stored.
    public let root: BlockAddress
    /// Bytes.
    public let size: UInt64
    /// Blocks that are not holes.
    public let storedBlocks: UInt64
    /// The session that wrote the root page; nil if and only if the root is a hole. It is what ties
    /// a manifest to one history of its lineage: whoever follows the root demands that the session
    /// that owns the root's chunk is this one.
    public let session: SessionStamp?

    /// Precondition: `session` is nil if and only if `root` is a hole.
    public init(root: BlockAddress, size: UInt64, storedBlocks: UInt64, session: SessionStamp?) {
        precondition(root.isHole == (session == nil))
        self.root = root
        self.size = size
        self.storedBlocks = storedBlocks
        self.session = session
    }

    /// The state of a disk that holds nothing.
    public static func empty(size: UInt64) -> DiskState {
        DiskState(root: .hole, size: size, storedBlocks: 0, session: nil)
    }

    var isWithinBounds: Bool {
        CheckpointRecord.isValidSize(size) && storedBlocks <= size / UInt64(Format.blockSize)
            && root.isHole == (session == nil)
            && session?.salt.bytes.count ?? LineageKeys.saltSize == LineageKeys.saltSize
    }
}

/// A durable checkpoint: its slot, and what that slot says.
public struct CheckpointReference: Codable, Hashable, Sendable {
    public let generation: UInt64
    public let slot: BlockAddress
    public let state: DiskState
    public let replayFrom: LogPosition

    public init(
        generation: UInt64, slot: BlockAddress, state: DiskState, replayFrom: LogPosition
    ) {
        self.generation = generation
        self.slot = slot
        self.state = state
        self.replayFrom = replayFrom
    }
}

/// What is known of a disk.
public struct DiskManifest: Codable, Hashable, Sendable {
    public let id: DiskID
    public let created: Int64
    /// How many of the store's disks were made before it in the same second; nil for none. For the
    /// order in which they are shown.
    public let order: UInt32?
    /// The lane its sessions append in.
    public let lane: UInt16
    public let slotsPerChunk: UInt32
    /// The disk as it was created: empty, or the state of `sourceSnapshot`. ReInitDisk returns to
    /// it, so it is a root for reclamation as long as the disk is.
    public let origin: DiskState
    public let sourceSnapshot: SnapshotID?
    /// The last two durable checkpoints, the newest first; none until the disk first wrote.
    public var checkpoints: [CheckpointReference] = []
    /// A rollback that was begun: its state is a root for reclamation until a checkpoint is named.
    public var rollingBackTo: DiskState?
    /// A lower bound for the next session's first sequence.
    public var nextSequence: UInt32
    /// The control plane's own (name, category …).
    public var attributes: [String: String]
    /// The snapshot that is on its way in, whose blocks this disk takes until they are all there;
    /// then the snapshot stands for itself and the disk goes. nil: a disk like any other.
    public let incoming: SnapshotID?

    public init(
        id: DiskID, created: Int64, order: UInt32? = nil, lane: UInt16, slotsPerChunk: UInt32,
        origin: DiskState, sourceSnapshot: SnapshotID?, nextSequence: UInt32,
        attributes: [String: String], incoming: SnapshotID? = nil
    ) {
        self.incoming = incoming
        self.id = id
        self.created = created
        self.order = order
        self.lane = lane
        self.slotsPerChunk = slotsPerChunk
        self.origin = origin
        self.sourceSnapshot = sourceSnapshot
        self.nextSequence = nextSequence
        self.attributes = attributes
    }

    /// Whether every field is in its bounds: asked of what was read and of what is to be written,
    /// so that nothing is written that could not be read.
    func isValid(as id: DiskID) -> Bool {
        let states =
            [origin] + checkpoints.map(\.state) + [rollingBackTo].compactMap { $0 }
        return self.id == id && (1...ChunkNumber.maximumLane).contains(lane)
            && checkpoints.count <= 2 && states.allSatisfy(\.isWithinBounds)
            && checkpoints.allSatisfy { (1..<Format.maximumCount).contains($0.generation) }
            && (1...ChunkNumber.maximumSequence).contains(nextSequence)
            && ChunkLayout(slotCount: slotsPerChunk) != nil
    }

    /// The state as of the newest durable checkpoint.
    public var state: DiskState { checkpoints.first?.state ?? origin }

    /// Throws `.limit` if the manifest could not be read again.
    public func sealed(version: UInt64, with keys: LineageKeys) throws -> SealedManifest {
        guard isValid(as: id) else {
            throw FormatError(.limit, "the disk's fields exceed what a manifest can hold")
        }
        return try ManifestHeader(
            kind: .disk, id: id.text, lineage: keys.lineage, version: version
        ).seal([JSONCoding.encode(self)], with: keys)
    }
}

/// What is known of a snapshot. But for its attributes it never changes.
public struct SnapshotManifest: Codable, Hashable, Sendable {
    public let id: SnapshotID
    public let disk: DiskID
    public let created: Int64
    /// As a disk's, among the snapshots.
    public let order: UInt32?
    public let state: DiskState
    /// For the sealed export: its key is derived with it.
    public let salt: HexBytes
    /// 32 bytes drawn when it was imported; nil if it was taken here. Its map is not the one it was
    /// taken with, so what differs from another snapshot may be other blocks than elsewhere.
    public let importSalt: HexBytes?
    /// The control plane's own (name …).
    public var attributes: [String: String]

    public init(
        id: SnapshotID, disk: DiskID, created: Int64, order: UInt32? = nil, state: DiskState,
        salt: HexBytes, importSalt: HexBytes? = nil, attributes: [String: String]
    ) {
        self.importSalt = importSalt
        self.id = id
        self.disk = disk
        self.created = created
        self.order = order
        self.state = state
        self.salt = salt
        self.attributes = attributes
    }

    /// For the sealed difference to `base`: zeros if both were taken here, so that it is a function
    /// of the two alone; else of the imports, too, which made maps of their own.
    public func differenceSalt(since base: SnapshotManifest) throws(CryptoError) -> [UInt8] {
        let none = SealedSnapshotHeader.noDifferenceSalt
        if importSalt == nil, base.importSalt == nil { return none }
        return try SHA256.hash(
            (importSalt?.bytes ?? none) + (base.importSalt?.bytes ?? none))
    }

    public func sealed(version: UInt64 = 1, with keys: LineageKeys) throws -> SealedManifest {
        try ManifestHeader(kind: .snapshot, id: id.text, lineage: keys.lineage, version: version)
            .seal([JSONCoding.encode(self)], with: keys)
    }
}

extension UnopenedManifest {
    public func disk(_ id: DiskID, with keys: LineageKeys) throws -> (DiskManifest, UInt64) {
        let (header, payload) = try open(kind: .disk, id: id.text, with: keys)
        return (try Self.disk(id, payload[0]), header.version)
    }

    public func unverifiedDisk(_ id: DiskID) throws(FormatError) -> DiskManifest {
        try Self.disk(id, openUnverified(kind: .disk, id: id.text).payload[0])
    }

    private static func disk(_ id: DiskID, _ payload: ArraySlice<UInt8>) throws(FormatError)
        -> DiskManifest
    {
        let disk = try JSONCoding.decode(DiskManifest.self, from: payload)
        guard disk.isValid(as: id) else {
            throw FormatError(.malformed, "the disk's fields make no sense")
        }
        return disk
    }

    public func snapshot(_ id: SnapshotID, with keys: LineageKeys) throws
        -> (SnapshotManifest, UInt64)
    {
        let (header, payload) = try open(kind: .snapshot, id: id.text, with: keys)
        return (try Self.snapshot(id, payload[0]), header.version)
    }

    public func unverifiedSnapshot(_ id: SnapshotID) throws(FormatError) -> SnapshotManifest {
        try Self.snapshot(id, openUnverified(kind: .snapshot, id: id.text).payload[0])
    }

    private static func snapshot(_ id: SnapshotID, _ payload: ArraySlice<UInt8>) throws(FormatError)
        -> SnapshotManifest
    {
        let snapshot = try JSONCoding.decode(SnapshotManifest.self, from: payload)
        guard snapshot.id == id, snapshot.state.isWithinBounds,
            snapshot.salt.bytes.count == LineageKeys.saltSize,
            snapshot.importSalt?.bytes.count ?? LineageKeys.saltSize == LineageKeys.saltSize
        else { throw FormatError(.malformed, "the snapshot's fields make no sense") }
        return snapshot
    }
}
