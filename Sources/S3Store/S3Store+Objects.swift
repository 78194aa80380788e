import ChunkStore

// Small objects. Each replacement is put on the tag that is there, also one without a condition: so
// one whose answer was lost is decided by what is found, and none can take effect after a later one.
// What is removed becomes a short object that says so, for the same reason.
extension S3Store {
    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        let operation = "read \(name)"
        guard let found = try find(name, limit: limit, operation), bucket.counts(found) else {
            throw StoreError(
                .notFound, operation: operation, cause: "the bucket has no such object")
        }
        return VersionedObject(
            bytes: found.content, version: ObjectVersion(Array(found.tag.text.utf8)))
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        let operation = "replace \(name)"
        try gate.check(operation)
        try uploads.publishAll(below: Self.scope(of: name))
        try gate.check(operation)
        let key = Bucket.object(name)
        switch condition {
        case .version(let version):
            let tag = ObjectTag(String(decoding: version.token, as: UTF8.self))
            return try note(
                name, try bucket.put(key, bytes, if: .tag(tag), operation))
        case .absent, .always:
            var known = tags.withLock { $0[name] }
            while true {
                if known == nil || condition == .absent {
                    let found = try find(name, limit: Self.longest, operation)
                    if condition == .absent, bucket.counts(found) {
                        throw StoreError(
                            .alreadyExists, operation: operation, cause: "the bucket has it")
                    }
                    known = found?.tag
                }
                do {
                    let on = known.map(PutCondition.tag) ?? .absent
                    return try note(name, try bucket.put(key, bytes, if: on, operation))
                } catch {
                    guard error.code == .conflict || error.code == .alreadyExists else {
                        throw error
                    }
                    try checkFenced(operation)
                    known = nil
                }
            }
        }
    }

    func removeObject(_ name: ObjectName, _ operation: String) throws(StoreError) {
        while true {
            guard let found = try find(name, limit: Self.longest, operation), bucket.counts(found)
            else {
                throw StoreError(
                    .notFound, operation: operation, cause: "the bucket has no such object")
            }
            do {
                let tag = try bucket.put(
                    Bucket.object(name), [], isRemoved: true, if: .tag(found.tag), operation)
                _ = try note(name, tag)
                return
            } catch {
                guard error.code == .conflict else { throw error }
                try checkFenced(operation)
            }
        }
    }

    /// More than any object that is replaced has.
    static let longest = 16 << 20

    /// What an object depends on: the chunks of its lineage, or none.
    private static func scope(of name: ObjectName) -> String? {
        name.components.prefix(2).joined(separator: "/")
    }

    /// Who has lost the lease learns of it before it overwrites what another put.
    private func checkFenced(_ operation: String) throws(StoreError) {
        try renewLease()
        try gate.check(operation)
    }

    private func note(_ name: ObjectName, _ tag: ObjectTag) throws(StoreError) -> ObjectVersion {
        tags.withLock { $0[name] = tag }
        return ObjectVersion(Array(tag.text.utf8))
    }

    private func find(
        _ name: ObjectName, limit: Int, _ operation: String
    ) throws(StoreError) -> Bucket.Found? {
        let found = try bucket.find(Bucket.object(name), limit: limit, operation)
        tags.withLock { $0[name] = found?.tag }
        return found
    }

    /// Whether an object that is listed is there for this store: one that this process has not seen
    /// is looked at, if there may be any that do not count.
    func doesCount(_ name: ObjectName) throws(StoreError) -> Bool {
        if bucket.floor.load(ordering: .acquiring) == 0 { return true }
        if tags.withLock({ $0[name] }) != nil { return true }
        return bucket.counts(try find(name, limit: Self.longest, "list \(name)"))
    }
}
