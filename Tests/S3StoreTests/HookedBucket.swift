import ChunkStore
import Synchronization

@testable import S3Store

/// A bucket in memory whose calls a test may fail before and after they took effect.
struct HookedBucket: ObjectStorage {
    typealias Hook = @Sendable (ObjectCall) throws(StoreError) -> Void
    let base: MemoryObjects
    let after: Hook

    init(before: @escaping Hook = { _ in }, after: @escaping Hook = { _ in }) {
        self.init(over: MemoryObjects(before: before), after: after)
    }

    init(over base: MemoryObjects, after: @escaping Hook) {
        self.base = base
        self.after = after
    }

    func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        let tag = try base.put(key, body, if: condition)
        try after(.put(key, bytes: body.count))
        return tag
    }

    func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart {
        let part = try base.get(key, from: offset, into: buffer)
        try after(.get(key, bytes: buffer.count))
        return part
    }

    func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        let listing = try base.list(prefix, isDeep: isDeep)
        try after(.list(prefix))
        return listing
    }

    func delete(_ key: ObjectKey) throws(StoreError) {
        try base.delete(key)
        try after(.delete(key))
    }
}

extension StoreError {
    static var noAnswer: StoreError {
        StoreError(.unanswered, operation: "call", cause: "the connection was lost")
    }
}
