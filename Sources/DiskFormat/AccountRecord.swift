import CryptoPrimitives

/// What an account has in this store besides disks and snapshots: `account.json`, written when
/// there is any. It says how things belong together, never what is in them: no key depends on it,
/// and none authenticates it, so nothing that protects data may be decided by it.
///
/// Its bytes are a line of JSON and a line with the SHA-256 of the first.
public struct AccountRecord: Codable, Hashable, Sendable {
    /// A disk at an instance, under its device name (`vdb`).
    public struct Attachment: Codable, Hashable, Sendable {
        public let disk: DiskID
        public let device: String

        public init(disk: DiskID, device: String) {
            self.disk = disk
            self.device = device
        }
    }

    public struct Instance: Codable, Hashable, Sendable {
        public let id: InstanceID
        public var name: String?
        public var description: String?
        /// Seconds since 1970-01-01T00:00:00Z.
        public let created: Int64
        /// The client's token that made it, and the SHA-256 of that request.
        public var clientToken: String?
        public var clientRequest: String?
        public var attachments: [Attachment] = []
        /// Disks that go with it, while it is being deleted: it is finished if it was interrupted.
        public var deleting: [DiskID]?

        public init(id: InstanceID, name: String?, description: String?, created: Int64) {
            self.id = id
            self.name = name
            self.description = description
            self.created = created
        }
    }

    /// Snapshots under one name: what new disks can be made from, together.
    public struct Image: Codable, Hashable, Sendable {
        public struct Member: Codable, Hashable, Sendable {
            public let snapshot: SnapshotID
            public let device: String

            public init(snapshot: SnapshotID, device: String) {
                self.snapshot = snapshot
                self.device = device
            }
        }

        public let id: ImageID
        public var name: String?
        public var description: String?
        public let created: Int64
        public let members: [Member]
        /// Accounts it is shared with.
        public var sharedWith: [String] = []
        public var clientToken: String?
        public var clientRequest: String?

        public init(
            id: ImageID, name: String?, description: String?, created: Int64, members: [Member]
        ) {
            self.id = id
            self.name = name
            self.description = description
            self.created = created
            self.members = members
        }
    }

    /// When snapshots are taken by themselves, and how long they are kept.
    public struct SnapshotPolicy: Codable, Hashable, Sendable {
        public let id: SnapshotPolicyID
        public var name: String?
        public let created: Int64
        /// Hours of the day (0 to 23, UTC), ascending.
        public var hours: [Int]
        /// Days of the week, 1 (Monday) to 7, ascending.
        public var weekdays: [Int]
        /// Days that its snapshots are kept; -1: until they are deleted.
        public var retentionDays: Int
        public var disks: [DiskID] = []
        /// The last time point that was seen to, in seconds since 1970-01-01T00:00:00Z.
        public var lastRun: Int64
        public var clientToken: String?
        public var clientRequest: String?

        public init(
            id: SnapshotPolicyID, name: String?, created: Int64, hours: [Int], weekdays: [Int],
            retentionDays: Int
        ) {
            self.id = id
            self.name = name
            self.created = created
            self.hours = hours
            self.weekdays = weekdays
            self.retentionDays = retentionDays
            lastRun = created
        }
    }

    /// Bytes that a record may have: enough for some 10,000 instances with their disks.
    public static let byteLimit = 4 << 20

    public let format: UInt16
    /// The store's id.
    public let store: String
    public var instances: [Instance] = []
    /// Instances whose disks are being made: those disks go if it was interrupted.
    public var creating: [InstanceID] = []
    public var images: [Image] = []
    public var policies: [SnapshotPolicy] = []

    /// The record of an account that has nothing yet.
    public init(store: String) {
        format = Format.version
        self.store = store
    }

    /// Throws `.limit` if there is more than a record may hold.
    public func encoded() throws -> [UInt8] {
        let bytes = try CheckedJSON.encode(self)
        guard bytes.count <= Self.byteLimit else {
            throw FormatError(
                .limit, "the account's record would exceed \(Self.byteLimit) bytes")
        }
        return bytes
    }

    /// Throws `.malformed` for bytes that are not a whole record of this store, `.unsupported` for
    /// one of another version.
    public init(decoding bytes: [UInt8], store: String) throws {
        let record = try CheckedJSON.decode(Self.self, from: bytes, limit: Self.byteLimit)
        guard record.format == Format.version else {
            throw FormatError(.unsupported, "it is of format version \(record.format)")
        }
        guard record.store == store else {
            throw FormatError(.malformed, "it is that of store \(record.store.prefix(32))")
        }
        self = record
    }
}
