import CryptoPrimitives

/// Which session, beyond doubt: numbers repeat when a lineage's manifest was put back, salts never.
public struct SessionStamp: Codable, Hashable, Sendable {
    public let number: UInt64
    /// 32 random bytes, as in every chunk header of the session.
    public let salt: HexBytes

    public init(number: UInt64, salt: HexBytes) {
        self.number = number
        self.salt = salt
    }
}

/// What is known of a lineage: its key, under the CMK, and who has appended to which lane when.
public struct LineageManifest: Hashable, Sendable {
    /// The part that is read before anything can be verified: it leads to the key that verifies.
    public struct KeyEnvelope: Codable, Hashable, Sendable {
        public let suite: Suite
        public let epoch: UInt32
        /// nil in a plain lineage.
        public let keyID: String?
        public let wrappedKey: HexBytes?
        public let keyCheck: HexBytes
        /// The store in whose context the key was wrapped, 32 hexadecimal digits; nil: this one. A
        /// lineage that came in with a snapshot keeps the key it was made with.
        public let store: String?

        public init(
            suite: Suite, epoch: UInt32, keyID: String?, wrappedKey: HexBytes?, keyCheck: HexBytes,
            store: String? = nil
        ) {
            self.store = store
            self.suite = suite
            self.epoch = epoch
            self.keyID = keyID
            self.wrappedKey = wrappedKey
            self.keyCheck = keyCheck
        }

        /// Whether both are of one data key, as they claim, however it is wrapped.
        public func isOfSameKey(as other: KeyEnvelope) -> Bool {
            suite == other.suite && epoch == other.epoch && keyCheck == other.keyCheck
                && store == other.store
        }

        /// The same key in other wrapping.
        public func rewrapped(keyID: String, _ wrappedKey: [UInt8]) -> KeyEnvelope {
            KeyEnvelope(
                suite: suite, epoch: epoch, keyID: keyID, wrappedKey: HexBytes(wrappedKey),
                keyCheck: keyCheck, store: store)
        }

        /// The same key, wrapped in the context of that store; nil: of the one it is in.
        public func wrapped(in store: String?) -> KeyEnvelope {
            KeyEnvelope(
                suite: suite, epoch: epoch, keyID: keyID, wrappedKey: wrappedKey,
                keyCheck: keyCheck, store: store)
        }
    }

    /// One exclusive attach of one disk that wrote. It owns the chunks of its lane from
    /// `firstSequence` to below `endSequence`, and nobody ever owns one of those numbers again.
    public struct Session: Codable, Hashable, Sendable {
        public let number: UInt64
        public let disk: DiskID
        public let lane: UInt16
        public let firstSequence: UInt32
        /// Raised, durably, before the session makes a chunk of that number; never lowered.
        public var endSequence: UInt32
        public let salt: HexBytes
        /// Where the log of the disk stood when the session began; nil if it had none.
        public let previousEnd: LogPosition?

        public init(
            number: UInt64, disk: DiskID, lane: UInt16, firstSequence: UInt32,
            endSequence: UInt32, salt: HexBytes, previousEnd: LogPosition?
        ) {
            self.number = number
            self.disk = disk
            self.lane = lane
            self.firstSequence = firstSequence
            self.endSequence = endSequence
            self.salt = salt
            self.previousEnd = previousEnd
        }

        public var stamp: SessionStamp { SessionStamp(number: number, salt: salt) }
        public var sequences: Range<UInt32> { firstSequence..<endSequence }

        var isWithinBounds: Bool {
            salt.bytes.count == LineageKeys.saltSize
                && (1...ChunkNumber.maximumLane).contains(lane) && firstSequence >= 1
                && firstSequence < endSequence && endSequence <= ChunkNumber.maximumSequence
                && number >= 1
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

    /// Bytes of the payload's first line at most; a wrapped key has some tens.
    static let maximumKeyLine = 4096

    /// Exchanged when the same data key is wrapped anew.
    public var key: KeyEnvelope
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

    /// Whether every field is in its bounds, and no number of a chunk has two owners: asked of what
    /// was read and of what is to be written.
    var isValid: Bool {
        var ends: [UInt16: UInt32] = [:]
        var last: UInt64 = 0
        for session in sessions {
            guard session.isWithinBounds, session.number > last, session.number < nextSession,
                session.lane < nextLane, session.firstSequence >= ends[session.lane] ?? 1
            else { return false }
            last = session.number
            ends[session.lane] = session.endSequence
        }
        return (1..<Format.maximumCount).contains(nextSession)
            && (1...ChunkNumber.maximumLane + 1).contains(nextLane)
            && freeLanes.allSatisfy {
                $0.lane >= 1 && $0.lane < nextLane
                    && (1...ChunkNumber.maximumSequence).contains($0.nextSequence)
            }
    }

    /// Throws `.limit` if the manifest could not be read again.
    public func sealed(version: UInt64, with keys: LineageKeys) throws -> SealedManifest {
        let id = keys.lineage.description
        guard isValid else {
            throw FormatError(.limit, "the lineage's counters exceed what a manifest can hold")
        }
        return try ManifestHeader(kind: .lineage, id: id, lineage: keys.lineage, version: version)
            .seal([JSONCoding.encode(key), JSONCoding.encode(Body(self))], with: keys)
    }

    /// The second line of the payload: all but the key.
    fileprivate struct Body: Codable {
        let created: Int64
        let sessions: [Session]
        let nextSession: UInt64
        let nextLane: UInt16
        let freeLanes: [FreeLane]

        init(_ manifest: LineageManifest) {
            created = manifest.created
            sessions = manifest.sessions
            nextSession = manifest.nextSession
            nextLane = manifest.nextLane
            freeLanes = manifest.freeLanes
        }
    }

    fileprivate init(key: KeyEnvelope, body: Body) {
        self.key = key
        created = body.created
        sessions = body.sessions
        nextSession = body.nextSession
        nextLane = body.nextLane
        freeLanes = body.freeLanes
    }
}

extension UnopenedManifest {
    public func lineage(with keys: LineageKeys) throws -> (LineageManifest, version: UInt64) {
        let id = keys.lineage.description
        let (header, payload) = try open(kind: .lineage, id: id, with: keys)
        return (try Self.lineage(payload), header.version)
    }

    /// The lines of a lineage's payload.
    static func lineage(_ payload: [ArraySlice<UInt8>]) throws(FormatError) -> LineageManifest {
        let manifest = LineageManifest(
            key: try keyEnvelope(payload[0]),
            body: try JSONCoding.decode(LineageManifest.Body.self, from: payload[1]))
        guard manifest.isValid else {
            throw FormatError(.malformed, "the lineage's sessions or counters make no sense")
        }
        return manifest
    }

    /// The way to the key; nothing in it is verified but by unwrapping and the key check.
    public func unverifiedKeyEnvelope(of lineage: LineageID) throws(FormatError)
        -> LineageManifest.KeyEnvelope
    {
        let (header, payload) = try openUnverified(kind: .lineage, id: lineage.description)
        guard header.lineage == lineage else {
            throw FormatError(.notAuthentic, "the manifest is that of another lineage")
        }
        return try Self.keyEnvelope(payload[0])
    }

    /// Parsed before anything is verified, so never more than a few KiB of it.
    private static func keyEnvelope(_ line: ArraySlice<UInt8>) throws(FormatError)
        -> LineageManifest.KeyEnvelope
    {
        guard line.count <= LineageManifest.maximumKeyLine else {
            throw FormatError(.malformed, "the lineage's key has \(line.count) bytes")
        }
        return try JSONCoding.decode(LineageManifest.KeyEnvelope.self, from: line)
    }
}
