import CryptoPrimitives
import DiskFormat
import KeyManagement

extension Store {
    /// Takes a snapshot of everything written to the disk before the call. When this returns it is
    /// durable. Takes as long as writing the changed map pages, whatever the disk's size. Calls the
    /// KMS if the disk is encrypted.
    ///
    /// Throws `.notFound`, `.noSpace`, `.io`, `.keyRefused`.
    public func createSnapshot(of id: DiskID, attributes: [String: String]) throws
        -> SnapshotSummary
    {
        let snapshot = try acting(
            "taking a snapshot of disk \(id)", on: id, for: "CreateSnapshot"
        ) { disk in
            // Reclamation collects its roots under `actions`, as this runs: it cannot overlook a
            // state that is in the store and not yet named by the snapshot.
            let snapshot = SnapshotID(random: try environment.entropy.bytes(20))
            let salt = try environment.entropy.bytes(LineageKeys.saltSize)
            let now = self.now
            let state = try disk.stateInStore()
            disk.share(state)
            let manifest = SnapshotManifest(
                id: snapshot, disk: id, created: now, order: snapshotOrder(at: now),
                state: state, salt: HexBytes(salt), attributes: attributes)
            try record(manifest, in: disk.lineage)
            return snapshot
        }
        freshness?.tryToWrite()
        return try self.snapshot(snapshot)
    }

    /// Makes a snapshot's manifest durable. A store that fails may have done it all the same: then
    /// it is taken back, and if that fails too the snapshot exists and is listed, so that
    /// reclamation counts it.
    func record(_ manifest: SnapshotManifest, in lineage: Lineage) throws {
        let path = StoreLayout.snapshot(lineage.id, manifest.id)
        func list() {
            monitor.withLock {
                catalogue.snapshots[manifest.id] = .init(
                    manifest: manifest, lineage: lineage.id, isVerified: true)
            }
            freshness?.note { $0.note(manifest.id, in: lineage.id, isNew: true) }
        }
        do {
            try sealed.replaceManifest(path, with: manifest.sealed(with: lineage.keys))
            list()
        } catch {
            do {
                try sealed.remove(path)
            } catch let removal {
                if removal.code != .notFound { list() }
            }
            throw error
        }
    }

    /// Deletes a snapshot; disks made from it live on. Its blocks stop being roots of reclamation
    /// once the removal is durable. Needs no key.
    ///
    /// Throws `.notFound`, `.busy` while it is open, `.io`.
    public func deleteSnapshot(_ id: SnapshotID) throws {
        try deleting("snapshot \(id)", of: try lineage(of: id)) {
            let entry = try monitor.withLock {
                guard let entry = catalogue.snapshots[id] else { throw catalogue.missing(id) }
                guard entry.readers == 0 else {
                    throw DiskError(.busy, "snapshot \(id) is open; close it first")
                }
                // From here on it cannot be opened any more.
                catalogue.snapshots[id] = nil
                return entry
            }
            do {
                try demandUnchanged(id, in: entry.lineage, shown: entry.manifest)
                let isLast = monitor.withLock { !catalogue.isUsed(entry.lineage) }
                try remove(
                    StoreLayout.snapshot(entry.lineage, id), of: entry.lineage, isLast: isLast)
                noteDeleted { $0.forget(id) }
            } catch {
                monitor.withLock { catalogue.snapshots[id] = entry }
                throw error
            }
        }
        freshness?.tryToWrite()
    }

    /// Puts the disk back to a snapshot of it, content and size. The caller has made sure that the
    /// disk is not open; if it is attached it stays attached, and kernel caches must be dropped.
    ///
    /// Throws `.notFound`, `.invalid` for a snapshot of another disk, `.busy`, `.noSpace`, `.io`.
    public func reset(_ id: DiskID, to snapshot: SnapshotID) throws {
        let lineage = try lineage(of: id)
        try reclaimer.withSuspended(lineage) {
            try acting("resetting disk \(id)") { try renewSession(of: id, for: snapshot) }
        }
        try acting("resetting disk \(id)", on: id, for: "ResetDisk") {
            let summary = try self.snapshot(snapshot)
            guard summary.disk == id else {
                throw DiskError(
                    .invalid,
                    "snapshot \(snapshot) is of disk \(summary.disk), not of \(id); create a disk"
                        + " from it instead")
            }
        } _: { disk in
            try demandAsShown(snapshot, in: disk.lineage)
            try disk.replaceState(with: verified(snapshot, in: disk.lineage).state)
            requestPass(over: lineage)
            try removePendingSize(lineage, id)
        }
    }

    /// Puts the disk back to its state at creation. As `reset` otherwise; refused with `.busy`
    /// while the disk has snapshots.
    public func reinitialize(_ id: DiskID) throws {
        let lineage = try lineage(of: id)
        try acting("re-initialising disk \(id)", on: id, for: "ReInitDisk") {
            let summary = try disk(id)
            guard summary.snapshotCount == 0 else {
                throw DiskError(
                    .busy,
                    "disk \(id) has \(summary.snapshotCount) snapshots; delete them first")
            }
        } _: { disk in
            let origin = disk.monitor.withLock { disk.manifest.origin }
            try disk.lineage.check(origin, of: "disk \(id)")
            try disk.replaceState(with: origin)
            requestPass(over: lineage)
            try removePendingSize(lineage, id)
        }
    }

    /// Opens a snapshot for reading.
    ///
    /// Throws `.notFound`, `.keyRequired` if it is encrypted and no disk of its lineage is
    /// attached, `.damaged`, `.io`.
    public func openSnapshot(_ id: SnapshotID) throws -> SnapshotReader {
        let (lineageID, isPlain) = try monitor.withLock {
            guard let entry = catalogue.snapshots[id] else { throw catalogue.missing(id) }
            catalogue.snapshots[id]?.readers += 1  // from here on it cannot be deleted
            return (entry.lineage, catalogue.envelopes[entry.lineage]?.suite == .plain)
        }
        do {
            let lineage: Lineage
            if isPlain {
                lineage = try openLineage(
                    lineageID, for: nil, while: "opening snapshot \(id)")
            } else {
                lineage = try monitor.withLock {
                    // An action may have the key for a moment, or a detach be about to wipe it.
                    guard let open = catalogue.openLineages[lineageID],
                        catalogue.isHeld(lineageID)
                    else {
                        throw DiskError(
                            .keyRequired,
                            "the key of snapshot \(id) is not in memory; attach a disk of its"
                                + " lineage")
                    }
                    catalogue.openLineages[lineageID]?.users += 1
                    return open.lineage
                }
            }
            do {
                try demandAsShown(id, in: lineage)
                let manifest = try verified(id, in: lineage)
                return SnapshotReader(
                    manifest, lineage: lineage, memory: memory,
                    onDamage: { [self] message in
                        monitor.withLock {
                            catalogue.snapshots[id]?.damage.note(message)
                            catalogue.damagedSnapshots.insert(id)
                        }
                    },
                    onClose: { [self] in
                        closed(id)
                        closeLineage(lineageID)
                    })
            } catch {
                closeLineage(lineageID)
                throw error
            }
        } catch {
            closed(id)
            throw DiskError.wrap(error, while: "opening snapshot \(id)")
        }
    }

    private func closed(_ id: SnapshotID) {
        monitor.withLock { catalogue.snapshots[id]?.readers -= 1 }
    }

    func lineage(of disk: DiskID) throws -> LineageID {
        try monitor.withLock {
            guard let entry = catalogue.disks[disk], entry.manifest.incoming == nil else {
                throw catalogue.missing(disk)
            }
            return entry.lineage
        }
    }

    func lineage(of snapshot: SnapshotID) throws -> LineageID {
        try monitor.withLock {
            guard let entry = catalogue.snapshots[snapshot] else {
                throw catalogue.missing(snapshot)
            }
            return entry.lineage
        }
    }

    func readSnapshot(_ id: SnapshotID, in lineage: Lineage) throws -> (SnapshotManifest, UInt64) {
        try sealed.readManifest(StoreLayout.snapshot(lineage.id, id), .snapshot)
            .snapshot(id, with: lineage.keys)
    }

    /// A snapshot's manifest as it stands in the store, authenticated.
    func verified(_ id: SnapshotID, in lineage: Lineage) throws -> SnapshotManifest {
        do {
            let (manifest, _) = try readSnapshot(id, in: lineage)
            try checkFreshness(of: id, in: lineage)
            try lineage.check(manifest.state, of: "snapshot \(id)")
            remember(manifest)
            return manifest
        } catch {
            throw DiskError.wrap(error, while: "reading the manifest of snapshot \(id)")
        }
    }
}

extension Disk {
    /// Another state in place of the present one, durably. Throws `.busy` if an operation is under
    /// way; none can begin meanwhile.
    func replaceState(with state: DiskState) throws {
        try monitor.withLock {
            guard operations == 0, !isClosing else {
                throw DiskError(.busy, "disk \(id) is in use")
            }
            isClosing = true
        }
        defer { monitor.withLock { isClosing = false } }
        // An earlier rollback that no manifest names yet: its state must not stop being a root
        // while it is the disk's.
        if monitor.withLock({ manifest.rollingBackTo != nil }) { try checkpoint() }
        try checkpoint(.state(state))
    }
}
