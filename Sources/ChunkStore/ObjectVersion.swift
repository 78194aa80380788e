/// Tells one state of an object from another, in the words of its store; to all others it is just
/// bytes. For ever, an object of other contents has another version. That a version was seen before
/// proves that the contents are those of then, not that nothing was replaced meanwhile: some stores
/// give equal contents equal versions. Who has to know puts into each content what no other has.
///
/// It is good for the object and the store that it came from, also in a later process.
public struct ObjectVersion: Sendable, Hashable {
    /// A backend's own: a number, an ETag, the contents themselves.
    public let token: [UInt8]

    public init(_ token: [UInt8]) { self.token = token }
}

/// What a small object was at one moment.
public struct VersionedObject: Sendable, Hashable {
    public let bytes: [UInt8]
    public let version: ObjectVersion

    public init(bytes: [UInt8], version: ObjectVersion) {
        self.bytes = bytes
        self.version = version
    }
}

/// What must be so at the moment at which an object is replaced, or it is not.
public enum ReplaceCondition: Sendable, Hashable {
    case always
    /// Nothing has the name.
    case absent
    /// The object is of this version.
    case version(ObjectVersion)
}

extension ChunkStore {
    /// The whole of a small object. Throws as `readVersioned`.
    public func readObject(_ name: ObjectName, limit: Int) throws(StoreError) -> [UInt8] {
        try readVersioned(name, limit: limit).bytes
    }

    /// Replaces a small object, or creates it, whatever it was. Throws `.noSpace`, `.io`.
    public func replaceObject(_ name: ObjectName, with bytes: [UInt8]) throws(StoreError) {
        _ = try replaceObject(name, with: bytes, if: .always)
    }
}
