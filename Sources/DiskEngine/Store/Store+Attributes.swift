import ChunkStore
import DiskFormat
import KeyManagement

// The control plane's own words about disks and snapshots: names, descriptions.
extension Store {
    /// Replaces a disk's attributes, durably. Calls the KMS (Decrypt) if it is encrypted.
    ///
    /// Throws `.notFound`, `.keyServiceInactive`, `.keyRefused`, `.limit`, `.noSpace`, `.io`.
    public func setAttributes(of id: DiskID, to attributes: [String: String]) throws {
        let use = KeyUse(action: "ModifyDiskAttribute", resource: id.text)
        let what = "changing disk \(id)"
        try withLineage(try lineage(of: id), for: use, while: what) { lineage in
            try acting(what) {
                if let disk = attached(id) {
                    try disk.setAttributes(attributes)
                    return remember(disk)
                }
                // Once more: it may be gone meanwhile.
                _ = try detachedLineage(of: id)
                var (manifest, version) = try verifiedDisk(id, in: lineage)
                manifest.attributes = attributes
                try sealed.replaceManifest(
                    StoreLayout.disk(lineage.id, id),
                    with: manifest.sealed(version: version + 1, with: lineage.keys))
                remember(manifest)
            }
        }
    }

    /// Replaces a snapshot's attributes, durably; what it holds never changes. As above.
    public func setAttributes(of id: SnapshotID, to attributes: [String: String]) throws {
        let use = KeyUse(action: "ModifySnapshotAttribute", resource: id.text)
        let what = "changing snapshot \(id)"
        try withLineage(try lineage(of: id), for: use, while: what) { lineage in
            try acting(what) {
                _ = try self.lineage(of: id)
                try demandAsShown(id, in: lineage)
                var (manifest, version) = try readSnapshot(id, in: lineage)
                manifest.attributes = attributes
                try sealed.replaceManifest(
                    StoreLayout.snapshot(lineage.id, id),
                    with: manifest.sealed(version: version + 1, with: lineage.keys))
                remember(manifest)
            }
        }
    }

    /// A disk's manifest as it stands in the store, authenticated.
    ///
    /// What was shown of a disk before its key was here is anybody's word, and so is the name by
    /// which a request found it. If the authentic attributes are others, nothing is done, and they
    /// are shown from then on. Throws `.damaged`.
    func verifiedDisk(
        _ id: DiskID, in lineage: Lineage, acceptingRollback: Bool = false
    ) throws -> (DiskManifest, UInt64) {
        let (manifest, version) = try sealed.readManifest(
            StoreLayout.disk(lineage.id, id), .disk
        ).disk(id, with: lineage.keys)
        let shown = monitor.withLock { catalogue.disks[id]?.manifest.attributes }
        remember(manifest)
        guard shown == nil || shown == manifest.attributes else {
            throw DiskError.notAsShown("disk \(id)")
        }
        if manifest.incoming == nil {
            try checkFreshness(
                of: id, version: version, in: lineage, accepting: acceptingRollback)
        }
        return (manifest, version)
    }

    /// The same for a snapshot that a request named.
    func demandAsShown(_ id: SnapshotID, in lineage: Lineage) throws {
        let shown = monitor.withLock { catalogue.snapshots[id]?.manifest }
        let manifest = try verified(id, in: lineage)
        guard shown == nil || shown == manifest else {
            throw DiskError.notAsShown("snapshot \(id)")
        }
    }

    /// Before something goes whose key is not needed for it: that it still is what was shown. That
    /// is all that can be asked: whoever may write the store may delete from it. A record that is
    /// gone is what an interrupted deletion leaves.
    func demandUnchanged(_ id: DiskID, in lineage: LineageID) throws {
        let path = StoreLayout.disk(lineage, id)
        guard let now = try ifThere({ try sealed.readManifest(path, .disk).unverifiedDisk(id) })
        else { return }
        let shown = monitor.withLock { catalogue.disks[id]?.manifest.attributes }
        guard shown == now.attributes else { throw DiskError.notAsShown("disk \(id)") }
    }

    func demandUnchanged(_ id: SnapshotID, in lineage: LineageID, shown: SnapshotManifest) throws {
        let path = StoreLayout.snapshot(lineage, id)
        guard
            let now = try ifThere({
                try sealed.readManifest(path, .snapshot).unverifiedSnapshot(id)
            })
        else { return }
        guard shown == now else { throw DiskError.notAsShown("snapshot \(id)") }
    }

    private func ifThere<R>(_ read: () throws -> R) throws -> R? {
        do {
            return try read()
        } catch let error as StoreError where error.code == .notFound {
            return nil
        }
    }

    /// Shows a manifest that was authenticated.
    func remember(_ manifest: DiskManifest) {
        monitor.withLock {
            catalogue.disks[manifest.id]?.manifest = manifest
            catalogue.disks[manifest.id]?.isVerified = true
        }
    }

    func remember(_ manifest: SnapshotManifest) {
        monitor.withLock {
            catalogue.snapshots[manifest.id]?.manifest = manifest
            catalogue.snapshots[manifest.id]?.isVerified = true
        }
    }
}

extension DiskError {
    fileprivate static func notAsShown(_ what: String) -> DiskError {
        DiskError(
            .damaged,
            "\(what) was listed with a name or description that is not its own: its record was"
                + " changed while its key was away. Nothing was done; the list is right now, so"
                + " look at it and ask again")
    }
}

extension Disk {
    func setAttributes(_ attributes: [String: String]) throws {
        try monitor.withLock {
            while isCheckpointing {
                try checkAlive()
                monitor.wait()
            }
            isCheckpointing = true
            defer {
                isCheckpointing = false
                monitor.announce()
                if wantsCheckpoint { monitor.announce(.work) }
            }
            try checkAlive()
            var changed = manifest
            changed.attributes = attributes
            try replaceManifest(changed)
        }
    }
}
