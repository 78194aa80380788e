import ChunkStore

// Chunks of a folder that is taken, or given back: each belongs to the lease under which its object
// was made here.
extension Uploads {
    /// Folders with chunks that wait for their upload; nil stands for what lies in none.
    func foldersThatWait() -> Set<ObjectName?> {
        Set(names(onlyWaiting: true).map { Holdings.folder(of: $0) })
    }

    /// Another has had the folder since (nil: what lies in none): what waits here never becomes
    /// part of the store.
    func forgetWaiting(below folder: ObjectName?) throws(StoreError) {
        let marked = monitor.withLock {
            chunks.values.filter {
                $0.isMarked.load(ordering: .acquiring) && Holdings.folder(of: $0.name) == folder
            }.map(\.name)
        }
        for name in marked {
            try cache.forgetWaiting(name)
            monitor.withLock { chunks[name] = nil }
        }
        forgotten.add(marked.count, ordering: .relaxed)
    }

    /// What the cache has below a folder, or all of it, belongs to the lease that holds it now.
    /// Throws `.busy` if somebody has a chunk of it open since before.
    func readmit(below folder: ObjectName?) throws(StoreError) {
        let prefix = folder.map { "\($0)/" } ?? ""
        let end = time.now() + options.patience
        while monitor.withLock({ isAnyInUse(below: prefix) }) {
            guard time.now() < end else {
                throw StoreError(
                    .busy, operation: "take \(folder?.path ?? "the store")",
                    cause: "chunks of it are open here still")
            }
            time.sleep(for: .milliseconds(20))
        }
        let old = monitor.withLock {
            let old = chunks.values.filter { $0.name.path.hasPrefix(prefix) }
            for chunk in old { chunks[chunk.name] = nil }
            return old
        }
        for chunk in old { try chunk.keepMap() }
        try load(below: folder)
    }

    /// Called under `monitor`.
    private func isAnyInUse(below prefix: String) -> Bool {
        chunks.values.contains {
            $0.name.path.hasPrefix(prefix) && ($0.handles > 0 || taken.contains($0.name))
        }
    }

    /// Returns when no thread works at a chunk of the folder.
    func awaitIdle(below folder: String) {
        monitor.withLock {
            while taken.contains(where: { $0.path.hasPrefix("\(folder)/") }) { monitor.wait() }
        }
    }
}
