import ChunkStore
import Synchronization

/// The contract of `ObjectStorage` kept in memory: the reference, and the bucket of tests.
public final class MemoryObjects: ObjectStorage {
    private struct Object {
        let bytes: [UInt8]
        let tag: ObjectTag
    }
    private struct State {
        var objects: [String: Object] = [:]
        var puts: UInt64 = 0
    }
    private let state = Mutex(State())
    /// Called before each call takes effect, on the caller's thread; what it throws fails the call.
    private let before: @Sendable (ObjectCall) throws(StoreError) -> Void

    public init(before: @escaping @Sendable (ObjectCall) throws(StoreError) -> Void = { _ in }) {
        self.before = before
    }

    public func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        try before(.put(key, bytes: body.count))
        let bytes = Array(body)
        return try state.withLock { state throws(StoreError) in
            let old = state.objects[key.text]
            switch condition {
            case .always: break
            case .absent where old != nil:
                throw StoreError(
                    .alreadyExists, operation: "put \(key)", cause: "the object exists")
            case .tag(let tag) where old?.tag != tag:
                throw StoreError(
                    .conflict, operation: "put \(key)", cause: "the object has another tag")
            case .absent, .tag: break
            }
            state.puts += 1
            let tag = ObjectTag("m\(state.puts)")
            state.objects[key.text] = Object(bytes: bytes, tag: tag)
            return tag
        }
    }

    public func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart {
        try before(.get(key, bytes: buffer.count))
        let found = state.withLock { $0.objects[key.text] }
        guard let object = found else {
            throw StoreError(.notFound, operation: "get \(key)", cause: "there is no such object")
        }
        let start = Int(min(offset, UInt64(object.bytes.count)))
        let part = object.bytes[start...].prefix(buffer.count)
        buffer.copyBytes(from: part)
        return ObjectPart(
            count: part.count, size: UInt64(object.bytes.count), tag: object.tag)
    }

    public func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        try before(.list(prefix))
        let all = state.withLock { $0.objects }
        var listing = ObjectListing()
        var folders: Set<String> = []
        for (key, object) in all.sorted(by: { $0.key < $1.key }) where key.hasPrefix(prefix) {
            let rest = key.dropFirst(prefix.count)
            if !isDeep, let slash = rest.firstIndex(of: "/") {
                folders.insert(String(rest[..<slash]))
            } else {
                listing.objects.append(
                    .init(
                        key: ObjectKey(key), size: UInt64(object.bytes.count), tag: object.tag))
            }
        }
        listing.folders = folders.sorted()
        return listing
    }

    public func delete(_ key: ObjectKey) throws(StoreError) {
        try before(.delete(key))
        state.withLock { _ = $0.objects.removeValue(forKey: key.text) }
    }

    /// All keys, ascending.
    public var keys: [String] { state.withLock { $0.objects.keys.sorted() } }
}

/// A call of a bucket, for who watches one.
public enum ObjectCall: Sendable, Hashable {
    case put(ObjectKey, bytes: Int)
    case get(ObjectKey, bytes: Int)
    case list(String)
    case delete(ObjectKey)
}
