import ChunkStore

// Taking a store, or a folder of one, over from a holder that did not give it back.
//
// A put of the earlier holder may still be on its way. On a tag it fails as soon as the object has
// another: so every small object is put anew under the new epoch. One for a name that nothing had
// may still arrive; it has an older epoch then, and does not count: when all objects have been put
// anew the lease's `floor` is raised to the new epoch, and what is below it is not there.
//
// Chunks are left as they are. An index of the earlier holder that arrives late belongs to its own
// session, whose end the next session has recorded: what lies behind that end is no part of a log.
extension S3Store {
    /// Of a folder that is held under `taken`; nil: of the whole store.
    func takeOver(_ folder: ObjectName?, of taken: Bucket) throws(StoreError) {
        let top = "objects/"
        let prefix = folder.map { "\(top)\($0)/" } ?? top
        for object in try taken.objects.list(prefix, isDeep: true).objects
        where object.size > ObjectEnvelope.removedSize {
            guard let name = ObjectName(String(object.key.text.dropFirst(top.utf8.count)))
            else { continue }
            try putAnew(name, under: folder == nil ? holdings[name] : taken)
        }
    }

    private func putAnew(_ name: ObjectName, under bucket: Bucket) throws(StoreError) {
        let operation = "take over \(name)"
        let epoch = bucket.epoch.load(ordering: .acquiring)
        while true {
            let found = try bucket.find(Bucket.object(name), limit: Self.longest, operation)
            guard let found, bucket.counts(found), found.envelope.epoch < epoch else { return }
            do {
                let tag = try bucket.put(
                    Bucket.object(name), found.content, if: .tag(found.tag), operation)
                known.withLock { $0[name] = KnownObject(tag: tag, counts: true) }
                return
            } catch {
                // The earlier holder's put came first: what it put counts.
                guard error.code == .conflict else { throw error }
            }
        }
    }
}
