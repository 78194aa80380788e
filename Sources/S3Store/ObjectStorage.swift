import ChunkStore

/// A bucket, or the part of one below a prefix, as S3 has it: objects that are put whole, read in
/// ranges, listed and deleted. `S3Client` is one over HTTP, `MemoryObjects` the reference.
///
/// - An object is visible and durable when `put` returns, to everybody, with nothing in between;
///   a condition is judged at that very moment.
/// - Every call is synchronous and may be made from any thread; those of one thread do not wait for
///   those of another.
/// - Throws `.busy`: refused, nothing was done (503, 429, SlowDown). `.unanswered`: no answer came;
///   unlike a `ChunkStore`'s, such a call MAY still take effect later. `.denied`: credentials are
///   wrong, expired, or may not do this. `.noSpace`: a quota or the server's disks are full. `.io`:
///   any other failure, with the server's own code and message.
/// - The text of an error names the call and the key, never a secret.
public protocol ObjectStorage: Sendable {
    /// Puts a whole object. Throws `.alreadyExists` where `.absent` is not met, `.conflict` where
    /// `.tag` is not, also if there is no such object or another put of it is under way.
    func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag

    /// Reads from `offset` on, as much as `buffer` takes or there is (0 behind the end, and of an
    /// empty object). Throws `.notFound`.
    func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart

    /// What lies below a prefix, in the order of keys. With `isDeep` every object whose key begins
    /// with it; without, those with no `/` behind it, and as folders the names (up to their `/`)
    /// of what lies deeper. All of it, however many answers of the server that takes.
    func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing

    /// Deletes an object. No error if it is not there.
    func delete(_ key: ObjectKey) throws(StoreError)

    /// How often the server was asked so far: each attempt costs.
    var requests: BackendRequests { get }
}

extension ObjectStorage {
    /// Of one that costs nothing.
    public var requests: BackendRequests { BackendRequests() }
}

/// The key of an object, below the prefix of its storage: one to 900 of `[A-Za-z0-9._/-]`.
public struct ObjectKey: Hashable, Sendable, CustomStringConvertible {
    public let text: String

    /// Precondition: `text` is of that form; keys are made of `ObjectName`s and fixed suffixes.
    public init(_ text: String) { self.text = text }
    public var description: String { text }
}

/// An ETag without its quotes. Objects of other contents have other tags.
public struct ObjectTag: Hashable, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}

public enum PutCondition: Sendable, Hashable {
    case always
    /// Nothing has the key (`If-None-Match: *`).
    case absent
    /// The object has this tag (`If-Match`).
    case tag(ObjectTag)
}

/// What a ranged read found.
public struct ObjectPart: Sendable, Hashable {
    /// Bytes that were read.
    public let count: Int
    /// Bytes of the whole object.
    public let size: UInt64
    public let tag: ObjectTag

    public init(count: Int, size: UInt64, tag: ObjectTag) {
        self.count = count
        self.size = size
        self.tag = tag
    }
}

public struct ObjectListing: Sendable, Hashable {
    public struct Entry: Sendable, Hashable {
        public let key: ObjectKey
        public let size: UInt64
        /// As `get` tells it; nil: the server does not tell in listings.
        public let tag: ObjectTag?

        public init(key: ObjectKey, size: UInt64, tag: ObjectTag? = nil) {
            self.key = key
            self.size = size
            self.tag = tag
        }
    }

    public var objects: [Entry]
    /// Names of folders below the prefix, without prefix and `/`.
    public var folders: [String]

    public init(objects: [Entry] = [], folders: [String] = []) {
        self.objects = objects
        self.folders = folders
    }
}
