import ChunkStore

/// A small object as this process last saw it.
struct KnownObject {
    let tag: ObjectTag
    /// Whether it is there for this store: not removed, and not of an epoch that does not count.
    let counts: Bool
}

// Small objects. Each replacement is put on the tag that is there, also one without a condition: so
// one whose answer was lost is decided by what is found, and none can take effect after a later
// one. What is removed becomes a short object that says so, for the same reason.
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
            return note(
                name, try put(key, bytes, if: .tag(tag), operation))
        case .absent, .always:
            var old = known.withLock { $0[name]?.tag }
            while true {
                if old == nil || condition == .absent {
                    let found = try find(name, limit: Self.longest, operation)
                    if condition == .absent, bucket.counts(found) {
                        throw StoreError(
                            .alreadyExists, operation: operation, cause: "the bucket has it")
                    }
                    old = found?.tag
                }
                do {
                    let on = old.map(PutCondition.tag) ?? .absent
                    return note(
                        name, try put(key, bytes, if: on, operation))
                } catch {
                    guard error.code == .conflict || error.code == .alreadyExists else {
                        throw error
                    }
                    try checkFenced(operation)
                    old = nil
                }
            }
        }
    }

    /// A put that a server refuses for now is made again, for as long as it may take.
    private func put(
        _ key: ObjectKey, _ bytes: [UInt8], if condition: PutCondition, _ operation: String
    ) throws(StoreError) -> ObjectTag {
        let end = time.now() + options.patience
        while true {
            do {
                return try bucket.put(key, bytes, if: condition, mustDecide: true, operation)
            } catch {
                guard error.code == .busy, time.now() < end else { throw error }
            }
            time.sleep(for: .milliseconds(200))
            try gate.check(operation)
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
                    Bucket.object(name), [], isRemoved: true, if: .tag(found.tag),
                    mustDecide: true, operation)
                known.withLock { $0[name] = KnownObject(tag: tag, counts: false) }
                return
            } catch {
                guard error.code == .conflict else { throw error }
                try checkFenced(operation)
            }
        }
    }

    static let longest = Bucket.longest

    /// What an object depends on: the chunks of its lineage, or none.
    private static func scope(of name: ObjectName) -> String? {
        name.components.prefix(2).joined(separator: "/")
    }

    /// Who has lost the lease learns of it before it overwrites what another put.
    private func checkFenced(_ operation: String) throws(StoreError) {
        try renewLease()
        try gate.check(operation)
    }

    private func note(_ name: ObjectName, _ tag: ObjectTag) -> ObjectVersion {
        known.withLock { $0[name] = KnownObject(tag: tag, counts: true) }
        return ObjectVersion(Array(tag.text.utf8))
    }

    private func find(
        _ name: ObjectName, limit: Int, _ operation: String
    ) throws(StoreError) -> Bucket.Found? {
        let found = try bucket.find(Bucket.object(name), limit: limit, operation)
        known.withLock {
            $0[name] = found.map { KnownObject(tag: $0.tag, counts: bucket.counts($0)) }
        }
        return found
    }

    /// Whether an object that is listed is there for this store: one that this process has not seen
    /// is looked at, if there may be any that do not count.
    func doesCount(_ name: ObjectName) throws(StoreError) -> Bool {
        if bucket.floor.load(ordering: .acquiring) == 0 { return true }
        if let object = known.withLock({ $0[name] }) { return object.counts }
        return bucket.counts(try find(name, limit: Self.longest, "list \(name)"))
    }
}
