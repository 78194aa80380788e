import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement

extension Store {
    /// Creates a blank disk of `size` bytes in a lineage of its own. When this returns it is
    /// durable. Calls the KMS (GenerateDataKey) if it is to be encrypted.
    ///
    /// Throws `.invalid` for a size that is not one, `.keyServiceInactive`, `.keyRefused`,
    /// `.noSpace`, `.io`.
    public func createDisk(encrypted: Bool, size: UInt64, attributes: [String: String]) throws
        -> DiskSummary
    {
        guard CheckpointRecord.isValidSize(size) else { throw DiskError.invalidSize(size) }
        let id = try newDiskID()
        let (keys, envelope) = try makeKeys(encrypted: encrypted, for: id)
        let lineage = keys.lineage
        let owned = try own(lineage)
        defer { withExtendedLifetime(owned) {} }
        try acting("creating disk \(id)") {
            let now = self.now
            var manifest = LineageManifest(key: envelope, created: now)
            let lane = manifest.nextLane
            manifest.nextLane += 1
            let disk = DiskManifest(
                id: id, created: now, order: diskOrder(at: now), lane: lane,
                slotsPerChunk: try slotsPerChunk(size),
                origin: .empty(size: size), sourceSnapshot: nil,
                nextSequence: 1, attributes: attributes)
            do {
                // Until the mark goes, nothing of it counts: what an interruption leaves is
                // rubbish beyond doubt, and cleared away by the next opening.
                try sealed.markDeleted(lineage)
                try sealed.replaceManifest(
                    StoreLayout.lineageManifest(lineage),
                    with: manifest.sealed(version: 1, with: keys))
                try sealed.replaceManifest(
                    StoreLayout.disk(lineage, id), with: disk.sealed(version: 1, with: keys))
                try sealed.remove(StoreLayout.deletionMark(lineage))
            } catch {
                try? sealed.markDeleted(lineage)
                try? sealed.removeMarked(lineage)
                throw error
            }
            monitor.withLock {
                catalogue.envelopes[lineage] = envelope
                catalogue.disks[id] = .init(manifest: disk, lineage: lineage, isVerified: true)
            }
            noteMade(lineage, suite: keys.suite, version: 1)
            try noteMade(id, in: lineage)
        }
        freshness?.tryToWrite()
        return try disk(id)
    }

    /// Creates a disk that begins as the snapshot: at once, sharing every block. `size` in bytes,
    /// nil for the snapshot's. Calls the KMS (Decrypt) if the snapshot is encrypted.
    ///
    /// Throws `.notFound`, `.invalid` for a smaller size, `.limit`, `.keyRefused`, `.noSpace`.
    public func createDisk(
        from snapshot: SnapshotID, size: UInt64?, attributes: [String: String]
    ) throws -> DiskSummary {
        let id = try newDiskID()
        let lineageID = try lineage(of: snapshot)
        let use = KeyUse(action: "CreateDisk", resource: id.text)
        let what = "creating disk \(id) from snapshot \(snapshot)"
        try withLineage(lineageID, for: use, while: what) { lineage in
            try acting(what) {
                // Once more: it may have been deleted, with all its lineage, meanwhile.
                _ = try self.lineage(of: snapshot)
                try checkNotBeingDeleted(lineageID)
                try demandAsShown(snapshot, in: lineage)
                let source = try verified(snapshot, in: lineage)
                let size = size ?? source.state.size
                guard CheckpointRecord.isValidSize(size) else { throw DiskError.invalidSize(size) }
                guard size >= source.state.size else {
                    throw DiskError(
                        .invalid,
                        "a disk of \(size) bytes cannot hold snapshot \(snapshot) of"
                            + " \(source.state.size); ask for at least that")
                }
                let slots = try slotsPerChunk(size)
                let now = self.now
                let (lane, sequence) = try lineage.takeLane()
                let disk = DiskManifest(
                    id: id, created: now, order: diskOrder(at: now), lane: lane,
                    slotsPerChunk: slots,
                    origin: DiskState(
                        root: source.state.root, size: size,
                        storedBlocks: source.state.storedBlocks, session: source.state.session),
                    sourceSnapshot: snapshot, nextSequence: sequence, attributes: attributes)
                do {
                    try sealed.replaceManifest(
                        StoreLayout.disk(lineageID, id),
                        with: disk.sealed(version: 1, with: lineage.keys))
                } catch {
                    // A lane may be given back only if nobody can ever append to it: the manifest
                    // is not there. If that cannot be made sure of, the lane is lost, no more.
                    if (try? sealed.removeIfThere(StoreLayout.disk(lineageID, id))) != nil {
                        try? lineage.giveBack(lane, nextSequence: sequence)
                    }
                    throw error
                }
                monitor.withLock {
                    catalogue.disks[id] = .init(
                        manifest: disk, lineage: lineageID, isVerified: true)
                }
                try noteMade(id, in: lineageID)
            }
        }
        freshness?.tryToWrite()
        return try disk(id)
    }

    /// Deletes a detached disk. Its snapshots and the disks made from them live on. With the last
    /// disk and snapshot of its lineage go the chunks and the wrapped key, so that nothing can ever
    /// be decrypted again. Needs no key.
    ///
    /// Throws `.notFound`, `.busy` while attached, `.io`.
    public func deleteDisk(_ id: DiskID) throws {
        try deleting("disk \(id)", of: try lineage(of: id)) {
            let lineage = try detachedLineage(of: id)
            try demandUnchanged(id, in: lineage)
            try removePendingSize(lineage, id)
            let isLast = monitor.withLock { !catalogue.isUsed(lineage, besides: id) }
            try remove(StoreLayout.disk(lineage, id), of: lineage, isLast: isLast)
            monitor.withLock { catalogue.disks[id] = nil }
            noteDeleted { $0.forget(id) }
        }
        freshness?.tryToWrite()
    }

    /// Grows a disk to `size` bytes: at once if it is attached, else at its next attach.
    ///
    /// For an attached disk that is an operation of its own: it waits for nothing but that disk.
    ///
    /// Throws `.notFound`, `.invalid` if it would shrink, `.noSpace`, `.io`, `.sessionOver`.
    public func resize(_ id: DiskID, to size: UInt64) throws {
        if try resizeAttached(id, to: size) { return }
        let owned = try own(try lineage(of: id))
        defer { withExtendedLifetime(owned) {} }
        try acting("resizing disk \(id)") {
            // It may have been attached meanwhile.
            if try resizeAttached(id, to: size) { return }
            _ = try detachedLineage(of: id)
            let present = try disk(id)
            guard CheckpointRecord.isValidSize(size) else { throw DiskError.invalidSize(size) }
            guard size >= max(present.size, present.pendingSize ?? 0) else {
                throw DiskError.shrinking(id, from: present.size, to: size)
            }
            try sealed.replacePendingSize(
                StoreLayout.pendingSize(present.lineage, id), with: PendingSize(size: size))
            monitor.withLock { catalogue.disks[id]?.pendingSize = size }
        }
    }

    /// False if it is not attached. A detach waits for it, also until the catalogue has the size.
    private func resizeAttached(_ id: DiskID, to size: UInt64) throws -> Bool {
        guard let disk = attached(id) else { return false }
        do {
            try disk.unlockedOperation {
                try disk.resize(to: size)
                remember(disk)
            }
            return true
        } catch {
            throw DiskError.wrap(error, while: "resizing disk \(id)")
        }
    }

    // MARK: Parts

    /// Runs an action that changes what exists; one at a time. Keys are fetched before: the KMS is
    /// not called from here. Once the store is being closed, only what closes it (`isClosing`) goes
    /// on.
    func acting<R>(_ what: String, isClosing: Bool = false, _ body: () throws -> R) throws -> R {
        try actions.withLock {
            do {
                guard isClosing || !monitor.withLock({ catalogue.isClosed }) else {
                    throw DiskError(.sessionOver, "\(what): the store is being closed")
                }
                return try body()
            } catch {
                throw DiskError.wrap(error, while: what)
            }
        }
    }

    var now: Int64 { environment.clock.now().seconds }

    private func newDiskID() throws -> DiskID {
        do {
            return DiskID(random: try environment.entropy.bytes(20))
        } catch {
            throw DiskError.wrap(error, while: "drawing a disk's id")
        }
    }

    func slotsPerChunk(_ size: UInt64) throws -> UInt32 {
        if let fixed = limits.slotsPerChunk { return fixed }
        return ChunkLayout.forDisk(size: size, capacity: try sealed.capacity().total).slotCount
    }

    /// A lineage's id and keys, drawn for a disk to be made.
    private func makeKeys(encrypted: Bool, for disk: DiskID) throws
        -> (LineageKeys, LineageManifest.KeyEnvelope)
    {
        do {
            let lineage = LineageID(bytes: try environment.entropy.bytes(LineageID.byteCount))
            return try makeKeys(lineage, encrypted: encrypted, for: disk)
        } catch {
            throw DiskError.wrap(error, while: "creating disk \(disk)")
        }
    }

    private func makeKeys(_ lineage: LineageID, encrypted: Bool, for disk: DiskID) throws
        -> (LineageKeys, LineageManifest.KeyEnvelope)
    {
        guard encrypted else {
            let keys = try LineageKeys.plain(lineage)
            let envelope = LineageManifest.KeyEnvelope(
                suite: .plain, epoch: 0, keyID: nil, wrappedKey: nil,
                keyCheck: HexBytes(keys.keyCheck))
            return (keys, envelope)
        }
        let epoch: UInt32 = 1
        let generated = try keys.generateDataKey(
            context: keyContext(lineage, epoch: epoch),
            use: KeyUse(action: "CreateDisk", resource: disk.text))
        let wrapped = generated.wrapped
        let keys = try LineageKeys(
            lineage: lineage, suite: .aes256GCM, epoch: epoch, dataKey: generated.takeKey())
        let envelope = LineageManifest.KeyEnvelope(
            suite: .aes256GCM, epoch: epoch, keyID: wrapped.keyID,
            wrappedKey: HexBytes(wrapped.bytes), keyCheck: HexBytes(keys.keyCheck))
        return (keys, envelope)
    }

    /// The lineage of a disk that exists and is not attached.
    func detachedLineage(of id: DiskID) throws -> LineageID {
        try monitor.withLock {
            guard let entry = catalogue.disks[id] else { throw catalogue.missing(id) }
            guard catalogue.attached[id] == nil else {
                throw DiskError(.busy, "disk \(id) is attached; detach it first")
            }
            guard !catalogue.starting.contains(id) else {
                throw DiskError(
                    .busy, "disk \(id) is being attached, or worked on; try again in a moment")
            }
            return entry.lineage
        }
    }

    func removePendingSize(_ lineage: LineageID, _ id: DiskID) throws {
        try sealed.removeIfThere(StoreLayout.pendingSize(lineage, id))
        monitor.withLock { catalogue.disks[id]?.pendingSize = nil }
    }

    /// An action that may remove a lineage: no pass of reclamation is at work on it meanwhile,
    /// which would write its manifest anew.
    func deleting(_ what: String, of lineage: LineageID, _ body: () throws -> Void) throws {
        let owned = try own(lineage)
        try withExtendedLifetime(owned) {
            try reclaimer.withSuspended(lineage) { try acting("deleting \(what)", body) }
        }
    }

    /// Removes the manifest of a disk or snapshot, and with the last of a lineage all of it. Can be
    /// repeated after a failure, and what is interrupted is finished by the next opening: the mark
    /// is durable before anything goes.
    func remove(_ manifest: String, of lineage: LineageID, isLast: Bool) throws {
        guard isLast else {
            try sealed.removeIfThere(manifest)
            return requestPass(over: lineage)
        }
        try sealed.markDeleted(lineage)
        // The key is gone when this returns, and with it all content; the rest takes its time.
        try sealed.removeIfThere(StoreLayout.lineageManifest(lineage))
        monitor.withLock { catalogue.envelopes[lineage] = nil }
        noteDeleted { $0.forget(lineage) }
        reclaimer.remove(lineage)
    }

    /// Takes over into the catalogue what an attached disk's manifest says now. Under the disk's
    /// lock: of two who do this at once, none puts back what the other has found since.
    func remember(_ disk: Disk) {
        disk.monitor.withLock { remember(disk.manifest) }
    }
}
