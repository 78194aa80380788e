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
        guard let found = try find(name, limit: limit, operation),
            holdings[name].counts(found)
        else {
            throw StoreError(
                .notFound, operation: operation, cause: "the bucket has no such object")
        }
        return VersionedObject(
            bytes: found.content, version: ObjectVersion(Array(found.tag.text.utf8)))
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        try uploads.publishAll(below: Self.scope(of: name))
        return try replaceSelfContainedObject(name, with: bytes, if: condition)
    }

    public func replaceSelfContainedObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        guard isCommon(name) else { return try replace(name, with: bytes, if: condition) }
        try followLease("replace \(name)")
        while true {
            let version = try replace(name, with: bytes, if: condition)
            // Whoever took the store meanwhile has put anew what was there: it counts. One for a
            // name that nothing had may have come too late for that.
            if try !followLease("replace \(name)") { return version }
            let found = try find(name, limit: Self.longest, "replace \(name)")
            if let found, holdings[name].counts(found) {
                return ObjectVersion(Array(found.tag.text.utf8))
            }
        }
    }

    /// Whether it lies in no folder of a store that is shared.
    private func isCommon(_ name: ObjectName) -> Bool {
        holdings.isShared && Holdings.folder(of: name) == nil
    }

    private func replace(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        let operation = "replace \(name)"
        let bucket = holdings[name]
        try bucket.gate.check(operation)
        switch condition {
        case .version(let version):
            let tag = ObjectTag(String(decoding: version.token, as: UTF8.self))
            return note(
                name, try put(name, bytes, under: bucket, if: .tag(tag), operation))
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
                        name, try put(name, bytes, under: bucket, if: on, operation))
                } catch {
                    guard error.code == .conflict || error.code == .alreadyExists else {
                        throw error
                    }
                    try checkFenced(name, operation)
                    old = nil
                }
            }
        }
    }

    /// A put that a server refuses for now is made again, for as long as it may take.
    private func put(
        _ name: ObjectName, _ bytes: [UInt8], under bucket: Bucket, if condition: PutCondition,
        _ operation: String
    ) throws(StoreError) -> ObjectTag {
        let key = Bucket.object(name)
        let end = time.now() + options.patience
        while true {
            do {
                return try bucket.put(key, bytes, if: condition, mustDecide: true, operation)
            } catch {
                guard error.code == .busy, time.now() < end else { throw error }
            }
            time.sleep(for: .milliseconds(200))
            try bucket.gate.check(operation)
        }
    }

    func removeObject(_ name: ObjectName, _ operation: String) throws(StoreError) {
        if isCommon(name) { try followLease(operation) }
        let bucket = holdings[name]
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
                try checkFenced(name, operation)
            }
        }
    }

    static let longest = Bucket.longest

    /// What an object depends on: the chunks of its lineage, or none.
    private static func scope(of name: ObjectName) -> String? {
        name.components.prefix(2).joined(separator: "/")
    }

    /// Who has lost the lease learns of it before it overwrites what another put.
    private func checkFenced(_ name: ObjectName, _ operation: String) throws(StoreError) {
        try renewLease(for: name)
        try holdings[name].gate.check(operation)
    }

    /// What was known of objects below a folder, or of all, may be another's by now.
    func forgetKnown(below folder: ObjectName?) {
        known.withLock { known in
            known = known.filter { name, _ in
                folder.map { !name.path.hasPrefix("\($0)/") } ?? false
            }
        }
    }

    private func note(_ name: ObjectName, _ tag: ObjectTag) -> ObjectVersion {
        known.withLock { $0[name] = KnownObject(tag: tag, counts: true) }
        return ObjectVersion(Array(tag.text.utf8))
    }

    private func find(
        _ name: ObjectName, limit: Int, _ operation: String
    ) throws(StoreError) -> Bucket.Found? {
        while true {
            let bucket = holdings[name]
            let floor = bucket.floor.load(ordering: .acquiring)
            let found = try bucket.find(Bucket.object(name), limit: limit, operation)
            // A takeover by this process that ended meanwhile has put anew what counts: what was
            // found may be of before, which does not count any more.
            guard holdings[name] === bucket, bucket.floor.load(ordering: .acquiring) == floor
            else { continue }
            known.withLock {
                $0[name] = found.map { KnownObject(tag: $0.tag, counts: bucket.counts($0)) }
            }
            return found
        }
    }

    /// Whether an object that is listed is there for this store: one that this process has not seen
    /// is looked at, if there may be any that do not count.
    func doesCount(_ name: ObjectName) throws(StoreError) -> Bool {
        let bucket = holdings[name]
        if bucket.floor.load(ordering: .acquiring) == 0 { return true }
        if let object = known.withLock({ $0[name] }) { return object.counts }
        return bucket.counts(try find(name, limit: Self.longest, "list \(name)"))
    }
}
