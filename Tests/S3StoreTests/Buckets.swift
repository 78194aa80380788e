import ChunkStore

@testable import S3Store

/// A bucket that does not answer while its client is cut off.
struct MortalBucket: ObjectStorage {
    let base: any ObjectStorage
    let isDead: @Sendable () -> Bool

    init(_ base: any ObjectStorage, isDead: @escaping @Sendable () -> Bool) {
        self.base = base
        self.isDead = isDead
    }

    private func check() throws(StoreError) {
        if isDead() { throw StoreError(.unanswered, operation: "call", cause: "cut off") }
    }

    func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        try check()
        return try base.put(key, body, if: condition)
    }

    func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart {
        try check()
        return try base.get(key, from: offset, into: buffer)
    }

    func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        try check()
        return try base.list(prefix, isDeep: isDeep)
    }

    func delete(_ key: ObjectKey) throws(StoreError) {
        try check()
        try base.delete(key)
    }
}

/// A bucket in which no object is ever the one that a put names by its tag.
struct RefusingBucket: ObjectStorage {
    let base: any ObjectStorage

    init(_ base: any ObjectStorage) { self.base = base }

    func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        guard case .tag = condition else { return try base.put(key, body, if: condition) }
        throw StoreError(.conflict, operation: "put \(key)", cause: "another tag")
    }

    func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart { try base.get(key, from: offset, into: buffer) }

    func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        try base.list(prefix, isDeep: isDeep)
    }

    func delete(_ key: ObjectKey) throws(StoreError) { try base.delete(key) }
}

/// A bucket that loses the answers to some puts, which were done or not.
struct LosingBucket: ObjectStorage {
    let base: any ObjectStorage
    let isDone: Bool
    let loses: @Sendable () -> Bool

    init(
        _ base: any ObjectStorage, isDone: Bool, loses: @escaping @Sendable () -> Bool
    ) {
        self.base = base
        self.isDone = isDone
        self.loses = loses
    }

    func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        guard loses() else { return try base.put(key, body, if: condition) }
        if isDone { _ = try base.put(key, body, if: condition) }
        throw StoreError(.unanswered, operation: "put \(key)", cause: "the connection was lost")
    }

    func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart {
        try base.get(key, from: offset, into: buffer)
    }

    func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        try base.list(prefix, isDeep: isDeep)
    }

    func delete(_ key: ObjectKey) throws(StoreError) { try base.delete(key) }
}
