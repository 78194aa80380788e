import DiskFormat

extension Disk {
    /// What the anchor is to know of this disk now: all of it durable. nil for a disk that only
    /// takes an import, and for one whose session ended with a failure, of which nothing is known.
    private func freshnessFacts() -> FreshnessRecord.DiskFacts? {
        let facts = monitor.withLock { () -> (SessionStamp?, LogPosition?, UInt64)? in
            guard !takesImport, log.failure == nil else { return nil }
            return (
                log.durablePosition == nil ? sessionBefore : log.session?.stamp,
                log.durablePosition ?? previousEnd, manifestVersion
            )
        }
        guard let (session, durable, version) = facts else { return nil }
        return try? FreshnessRecord.DiskFacts(
            lineage: lineage.id, manifestVersion: version, session: session, durable: durable)
    }

    /// Tells the keeper how far this disk has come. Called without a lock but `Store.actions`.
    func noteFreshness() {
        guard let freshness = lineage.freshness, let facts = freshnessFacts() else { return }
        freshness.note { $0.note(id, facts) }
        lineage.noteFreshness()
    }

    /// After a checkpoint: the anchor follows at once, if it can.
    func anchorCheckpoint() {
        guard let freshness = lineage.freshness, !takesImport else { return }
        noteFreshness()
        freshness.tryToWrite()
    }

    /// Before a flush is answered, where the anchor is strict. Called without the lock. Throws
    /// `.io` if the anchor could not follow: what was flushed is durable all the same.
    func anchorFlush() throws {
        guard let freshness = lineage.freshness, !takesImport else { return }
        noteFreshness()
        try freshness.write()
    }
}

extension Lineage {
    /// Tells the keeper which manifest the store has.
    func noteFreshness() {
        guard let freshness else { return }
        let facts = FreshnessRecord.LineageFacts(version: versionInStore, suite: keys.suite)
        freshness.note { $0.note(id, facts) }
    }

    /// The numbers of the sessions by which the anchor knows this lineage's disks, when it has
    /// everything that was noted. It may come to know later ones at once: those are the last of
    /// their disks, whose records stay anyway. Throws what the anchor throws.
    func anchoredSessions() throws(DiskError) -> Set<UInt64> {
        guard let freshness else { return [] }
        let known = freshness.withRecord { record in
            record.disks.values.filter { $0.lineage == id }.compactMap(\.session)
        }
        try freshness.write()
        return Set(known)
    }
}
