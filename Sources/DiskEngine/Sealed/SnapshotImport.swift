import CryptoPrimitives
import DiskFormat
import KeyManagement

// A snapshot comes in through a disk that nobody sees: it takes the blocks, by the log and the map
// like every disk, and its state becomes the snapshot's when the file was found whole and
// authentic. Then the disk goes, as any disk may whose snapshot lives on.
//
// Invariants:
// - nothing is stored that was not authenticated, and nothing shows before all of it was;
// - the disk holds blocks of this one snapshot only, whatever file they came from: so what an
//   import left that was cut off is good for the next;
// - what blocks are holes is the file's to say: a block of zeros that was stored stays stored, or
//   the snapshot would be sealed to another file than the one it came from.
extension Store {
    /// Takes in a sealed snapshot: into its lineage, which is made anew with the snapshot's own
    /// key if it is not here. What an import of the same snapshot left that was cut off is gone on
    /// with. `source` fills a buffer with the file's next bytes, fewer only at its end;
    /// `readsToEnd`: whether bytes behind the last frame are looked for, and an error;
    /// `requiresEncryption`: whether a plain one is refused. Calls the KMS (Decrypt) if it is
    /// encrypted.
    ///
    /// Throws `.alreadyExists`, `.notFound` if the base of an incremental one is not here,
    /// `.busy` if it is being imported, `.damaged` saying at which byte, `.keyRefused`, `.noSpace`,
    /// `.io`, and what `source` throws. What was taken until then is kept, as `imports()` tells.
    public func importSnapshot(
        reading source: @escaping SealedSnapshotFile.Source, readsToEnd: Bool = true,
        requiresEncryption: Bool = false
    ) throws -> SnapshotSummary {
        do {
            let file = try SealedSnapshotFile(reading: source)
            let header = file.header
            guard header.suite != .plain || !requiresEncryption else {
                throw DiskError(
                    .invalid,
                    "snapshot \(header.snapshot) is not encrypted, and encryption is required")
            }
            try demandImportable(header)
            let (disk, isResumed) = try beginImport(of: file)
            do {
                let lineage = disk.lineage
                _ = try file.check(with: lineage.keys, readsToEnd: readsToEnd) { items, bodies in
                    try disk.take(items, bodies, mayBeThere: isResumed)
                }
                try finishImport(of: file.openHeader(with: lineage.keys), in: disk)
            } catch {
                try? endImport(in: disk)  // what it could not make durable comes once more
                throw error
            }
            return try snapshot(header.snapshot)
        } catch {
            throw DiskError.wrap(error, while: "importing the sealed snapshot")
        }
    }

    /// Nothing of the header is verified yet.
    private func demandImportable(_ header: SealedSnapshotHeader) throws {
        try monitor.withLock {
            guard catalogue.snapshots[header.snapshot] == nil else {
                throw DiskError(
                    .alreadyExists, "snapshot \(header.snapshot) is in this store already")
            }
            guard let base = header.base else { return }
            guard catalogue.snapshots[base]?.lineage == header.lineage else {
                throw DiskError(
                    .notFound,
                    "snapshot \(header.snapshot) is the difference to snapshot \(base), which is"
                        + " not in this store; import that one first")
            }
        }
    }

    // MARK: Beginning

    /// The disk at work that takes the snapshot, and whether it may hold some of it. Every call has
    /// its `endImport`.
    private func beginImport(of file: SealedSnapshotFile) throws -> (Disk, isResumed: Bool) {
        let id = file.header.snapshot
        let use = KeyUse(action: "ImportSnapshot", resource: id.text)
        let what = "importing snapshot \(id)"
        let lineage =
            try newLineage(of: file, for: use)
            ?? openLineage(file.header.lineage, for: use, while: what)
        do {
            let header = try file.openHeader(with: lineage.keys)
            let (disk, isResumed) = try acting(what) {
                try demandImportable(header)
                try checkNotBeingDeleted(lineage.id)
                let found = try interim(for: header)
                let disk = try found ?? makeInterim(for: header, in: lineage)
                try reserve(disk)
                return (disk, found != nil)
            }
            return (try start(disk, in: lineage, while: what), isResumed)
        } catch {
            closeLineage(lineage.id)
            throw error
        }
    }

    /// The lineage, made with the key that came with the snapshot and with a disk to take it, and
    /// open; nil if it is here.
    private func newLineage(of file: SealedSnapshotFile, for use: KeyUse) throws -> Lineage? {
        let (header, id) = (file.header, file.header.lineage)
        func isHere() -> Bool { monitor.withLock { catalogue.envelopes[id] != nil } }
        if isHere() { return nil }
        let envelope = header.key.wrapped(
            in: header.store == identity.storeID ? nil : header.store)
        let keys = try unwrapKeys(of: id, envelope, for: use)
        _ = try file.openHeader(with: keys)
        reclaimer.awaitRemovals()  // it may have been here, and be on its way out
        let owned = try own(id)
        return try acting("importing snapshot \(header.snapshot)") {
            if isHere() { return nil }
            guard try !sealed.isMarkedDeleted(id) else {
                throw DiskError(
                    .busy,
                    "what is left of the deleted lineage \(id) could not be removed yet; see the"
                        + " store's status, and try again")
            }
            guard monitor.withLock({ !catalogue.isUsed(id) }) else {
                throw DiskError(
                    .damaged, "lineage \(id) is in this store already, and damaged; see its status")
            }
            let manifest = LineageManifest(key: envelope, created: now)
            let lineage = makeLineage(keys, manifest, version: 1)
            do {
                // Until the mark goes nothing of it counts, as with a disk that is created.
                try sealed.markDeleted(id)
                try sealed.replaceManifest(
                    StoreLayout.lineageManifest(id), with: manifest.sealed(version: 1, with: keys))
                _ = try makeInterim(for: header, in: lineage)
                try sealed.remove(StoreLayout.deletionMark(id))
            } catch {
                try? sealed.markDeleted(id)
                try? sealed.removeMarked(id)
                monitor.withLock {
                    if let made = catalogue.incoming(header.snapshot) {
                        catalogue.disks[made.manifest.id] = nil
                    }
                }
                throw error
            }
            monitor.withLock { catalogue.envelopes[id] = envelope }
            noteMade(id, suite: keys.suite, version: lineage.versionInStore)
            return admit(lineage, owned)
        }
    }

    /// What an import of this snapshot left. One that began as another snapshot than this file does
    /// is of no use, and goes. Called under `actions`.
    private func interim(for header: SealedSnapshotHeader) throws -> DiskID? {
        guard let found = incoming(header.snapshot) else { return nil }
        try demandIdle(found.manifest)
        if found.manifest.sourceSnapshot == header.base { return found.manifest.id }
        try removeInterim(found.manifest.id, of: header.lineage, isLast: false)
        return nil
    }

    /// Called under `actions`, with an authentic header.
    private func makeInterim(for header: SealedSnapshotHeader, in lineage: Lineage) throws -> DiskID
    {
        var origin = DiskState.empty(size: header.size)
        if let base = header.base {
            try demandAsShown(base, in: lineage)
            let state = try verified(base, in: lineage).state
            origin = DiskState(
                root: state.root, size: max(state.size, header.size),
                storedBlocks: state.storedBlocks, session: state.session)
        }
        let (lane, sequence) = try lineage.takeLane()
        let disk = DiskManifest(
            id: DiskID(random: try environment.entropy.bytes(20)), created: now, lane: lane,
            slotsPerChunk: try slotsPerChunk(header.size), origin: origin,
            sourceSnapshot: header.base, nextSequence: sequence, attributes: [:],
            incoming: header.snapshot)
        let path = StoreLayout.disk(lineage.id, disk.id)
        do {
            try sealed.replaceManifest(path, with: disk.sealed(version: 1, with: lineage.keys))
        } catch {
            // As with a disk made from a snapshot: a lane is given back only if it is surely free.
            if (try? sealed.removeIfThere(path)) != nil {
                try? lineage.giveBack(lane, nextSequence: sequence)
            }
            throw error
        }
        monitor.withLock {
            catalogue.disks[disk.id] = .init(
                manifest: disk, lineage: lineage.id, isVerified: true)
        }
        return disk.id
    }

    // MARK: Ending

    /// All blocks are there: the snapshot is recorded, and shows; the disk goes.
    private func finishImport(of header: SealedSnapshotHeader, in disk: Disk) throws {
        try disk.cut(at: header.size)
        let state = try disk.stateInStore()
        guard header.isIncremental || state.storedBlocks == header.storedBlocks else {
            throw DiskError(
                .damaged,
                "it has \(state.storedBlocks) blocks where its header tells of"
                    + " \(header.storedBlocks)")
        }
        let lineage = disk.lineage
        try acting("importing snapshot \(header.snapshot)") {
            try demandImportable(header)
            disk.share(state)
            let manifest = SnapshotManifest(
                id: header.snapshot, disk: header.disk, created: header.created,
                order: snapshotOrder(at: header.created),
                state: DiskState(
                    root: state.root, size: header.size, storedBlocks: state.storedBlocks,
                    session: state.session),
                salt: HexBytes(header.salt),
                importSalt: HexBytes(try environment.entropy.bytes(LineageKeys.saltSize)),
                attributes: [:])
            try record(manifest, in: lineage)
        }
        freshness?.tryToWrite()
        // The snapshot is there: what follows costs space at most, until the store is opened anew.
        try? endImport(in: disk)
        try? deleting("import", of: lineage.id) {
            try removeInterim(disk.id, of: lineage.id, isLast: false)
        }
    }

    /// The disk's work is over, for now or for good; its key is wiped if nobody else needs it.
    private func endImport(in disk: Disk) throws {
        guard monitor.withLock({ catalogue.attached[disk.id] === disk }) else { return }
        try end(disk, isClosing: true).get()
    }

    private func removeInterim(_ id: DiskID, of lineage: LineageID, isLast: Bool) throws {
        try remove(StoreLayout.disk(lineage, id), of: lineage, isLast: isLast)
        monitor.withLock { catalogue.disks[id] = nil }
    }
}

/// A snapshot that is on its way in, or whose import was cut off.
public struct IncomingSnapshot: Sendable, Hashable {
    public let id: SnapshotID
    public let lineage: LineageID
    /// The snapshot it is the difference to; nil for a full one.
    public let base: SnapshotID?
    /// Whether somebody imports it at this moment.
    public let isRunning: Bool
    /// Bytes of blocks that are there, its base's among them.
    public let storedBytes: UInt64
}

extension Store {
    /// Snapshots that are on their way in, and what imports left that were cut off.
    public func imports() -> [IncomingSnapshot] {
        let entries = monitor.withLock {
            catalogue.disks.values.filter { $0.manifest.incoming != nil }
                .map { ($0, catalogue.attached[$0.manifest.id]) }
        }
        return entries.compactMap { entry, disk in
            entry.manifest.incoming.map { id in
                IncomingSnapshot(
                    id: id, lineage: entry.lineage, base: entry.manifest.sourceSnapshot,
                    isRunning: disk != nil,
                    storedBytes: disk?.storedBytes
                        ?? entry.manifest.state.storedBlocks * UInt64(Format.blockSize))
            }
        }.sorted { $0.id < $1.id }
    }

    /// Gives up what an import left that was cut off. Needs no key. Throws `.notFound`, `.busy`
    /// while it goes on.
    public func discardImport(of id: SnapshotID) throws {
        guard let lineage = incoming(id)?.lineage else { throw Self.noImport(of: id) }
        try deleting("import of snapshot \(id)", of: lineage) {
            guard let found = incoming(id) else { throw Self.noImport(of: id) }
            try demandIdle(found.manifest)
            let isLast = monitor.withLock { !catalogue.isUsed(lineage, besides: found.manifest.id) }
            try removeInterim(found.manifest.id, of: lineage, isLast: isLast)
        }
    }

    /// What is left of an import that was finished but for this: the snapshot is there.
    func removeFinishedImports(
        of lineage: LineageID, in loaded: inout Catalogue, isOwned: Bool
    ) throws {
        for entry in loaded.disks.values where entry.lineage == lineage {
            guard let snapshot = entry.manifest.incoming, loaded.snapshots[snapshot] != nil
            else { continue }
            loaded.disks[entry.manifest.id] = nil
            // Whoever takes the lineage sees to it.
            guard isOwned else { continue }
            try sealed.removeIfThere(StoreLayout.disk(lineage, entry.manifest.id))
            // Its key is not in memory, if it has one.
            sealed.markReclaimable(lineage)
            reclaimer.request(lineage)
        }
    }

    private func demandIdle(_ interim: DiskManifest) throws {
        let isIdle = monitor.withLock {
            catalogue.attached[interim.id] == nil && !catalogue.starting.contains(interim.id)
        }
        guard isIdle else {
            throw DiskError(
                .busy,
                "snapshot \(interim.incoming?.text ?? "") is being imported at this moment")
        }
    }

    private func incoming(_ snapshot: SnapshotID) -> Catalogue.DiskEntry? {
        monitor.withLock { catalogue.incoming(snapshot) }
    }

    private static func noImport(of id: SnapshotID) -> DiskError {
        DiskError(.notFound, "no import of snapshot \(id) was begun and not finished")
    }
}

extension Catalogue {
    /// The disk that takes a snapshot on its way in.
    fileprivate func incoming(_ snapshot: SnapshotID) -> DiskEntry? {
        disks.values.first { $0.manifest.incoming == snapshot }
    }
}
