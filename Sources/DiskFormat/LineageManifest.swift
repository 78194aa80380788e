import CryptoPrimitives

/// What is known of a lineage: its key, under the CMK, and who has appended to which lane when.
public struct LineageManifest: Codable, Hashable, Sendable {
    /// The part that is read before anything can be verified: it leads to the key that verifies.
    public struct KeyEnvelope: Codable, Hashable, Sendable {
        public let suite: Suite
        public let epoch: UInt32
        /// nil in a plain lineage.
        public let keyID: String?
        public let wrappedKey: HexBytes?
        public let keyCheck: HexBytes

        public init(
            suite: Suite, epoch: UInt32, keyID: String?, wrappedKey: HexBytes?, keyCheck: HexBytes
        ) {
            self.suite = suite
            self.epoch = epoch
            self.keyID = keyID
            self.wrappedKey = wrappedKey
            self.keyCheck = keyCheck
        }
    }

    /// One exclusive attach of one disk that wrote. It owns every chunk of its lane from
    /// `firstSequence` up to the next record of that lane.
    public struct Session: Codable, Hashable, Sendable {
        public let number: UInt64
        public let disk: DiskID
        public let lane: UInt16
        public let firstSequence: UInt32
        public let salt: HexBytes
        /// Where the log of the disk stood when the session began; nil if it had none.
        public let previousEnd: LogPosition?

        public init(
            number: UInt64, disk: DiskID, lane: UInt16, firstSequence: UInt32, salt: HexBytes,
            previousEnd: LogPosition?
        ) {
            self.number = number
            self.disk = disk
            self.lane = lane
            self.firstSequence = firstSequence
            self.salt = salt
            self.previousEnd = previousEnd
        }
    }

    /// A lane whose disk and chunks are gone: the next owner begins at `nextSequence`.
    public struct FreeLane: Codable, Hashable, Sendable {
        public let lane: UInt16
        public let nextSequence: UInt32

        public init(lane: UInt16, nextSequence: UInt32) {
            self.lane = lane
            self.nextSequence = nextSequence
        }
    }

    public let key: KeyEnvelope
    /// Seconds since 1970.
    public let created: Int64
    /// By number, ascending; numbers are given out once per lineage.
    public var sessions: [Session] = []
    public var nextSession: UInt64 = 1
    public var nextLane: UInt16 = 1
    public var freeLanes: [FreeLane] = []

    public init(key: KeyEnvelope, created: Int64) {
        self.key = key
        self.created = created
    }

    public func sealed(version: UInt64, with keys: LineageKeys) throws -> SealedManifest {
        let id = keys.lineage.description
        return try ManifestHeader(kind: .lineage, id: id, lineage: keys.lineage, version: version)
            .seal(JSONCoding.encode(self), with: keys)
    }
}

extension UnopenedManifest {
    public func lineage(with keys: LineageKeys) throws -> (LineageManifest, version: UInt64) {
        let id = keys.lineage.description
        let (header, payload) = try open(kind: .lineage, id: id, with: keys)
        let manifest = try JSONCoding.decode(LineageManifest.self, from: payload)
        for session in manifest.sessions {
            guard session.salt.bytes.count == LineageKeys.saltSize,
                session.lane <= ChunkNumber.maximumLane,
                (1...ChunkNumber.maximumSequence).contains(session.firstSequence)
            else { throw FormatError(.malformed, "session \(session.number) makes no sense") }
        }
        guard manifest.nextSession < Format.maximumCount,
            manifest.sessions.allSatisfy({ $0.number < manifest.nextSession }),
            manifest.freeLanes.allSatisfy({
                $0.lane <= ChunkNumber.maximumLane
                    && (1...ChunkNumber.maximumSequence).contains($0.nextSequence)
            }),
            manifest.nextLane <= ChunkNumber.maximumLane + 1
        else { throw FormatError(.malformed, "the lineage's counters make no sense") }
        return (manifest, header.version)
    }

    /// The way to the key; nothing in it is verified but by unwrapping and the key check.
    public func unverifiedKeyEnvelope(of lineage: LineageID) throws(FormatError)
        -> LineageManifest.KeyEnvelope
    {
        struct KeyOnly: Decodable { let key: LineageManifest.KeyEnvelope }
        let (header, payload) = try openUnverified(kind: .lineage, id: lineage.description)
        guard header.lineage == lineage else {
            throw FormatError(.notAuthentic, "the manifest is that of another lineage")
        }
        return try JSONCoding.decode(KeyOnly.self, from: payload).key
    }
}
