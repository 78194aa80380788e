import ChunkStore
import DiskFormat
import KeyManagement

extension Store {
    public func attached(_ id: DiskID) -> Disk? { monitor.withLock { catalogue.attached[id] } }

    public func attachedDisks() -> [Disk] {
        monitor.withLock { catalogue.attached.values.sorted { $0.id < $1.id } }
    }

    /// Brings the disk's key into memory and recovers it; it can be read and written from now on.
    /// Calls the KMS (Decrypt) if it is encrypted.
    ///
    /// Throws `.notFound`, `.busy` if it is attached, `.keyServiceInactive`, `.keyRefused`,
    /// `.damaged`, `.io`.
    @discardableResult
    public func attach(_ id: DiskID) throws -> Disk {
        try acting("attaching disk \(id)") {
            let disk = try open(id, for: "AttachDisk")
            monitor.withLock { catalogue.attached[id] = disk }
            remember(disk)
            reclaimer.resume(disk.lineage.id)
            return disk
        }
    }

    /// Ends the attachment. The caller has made sure that nobody uses the disk and that no new
    /// request will come. Drains, checkpoints, wipes the key if no other disk of the lineage is
    /// attached. The disk is detached in every case but `.busy`; another error says what could not
    /// be made durable or recorded.
    ///
    /// Throws `.notFound` if it is not attached, `.busy` if an open snapshot needs the key.
    public func detach(_ id: DiskID) throws {
        try detach(id, evenIfSnapshotsAreOpen: false)
    }

    func detach(_ id: DiskID, evenIfSnapshotsAreOpen: Bool) throws {
        guard let disk = attached(id) else {
            throw DiskError(.notFound, "disk \(id) is not attached")
        }
        try reclaimer.withSuspended(disk.lineage.id) {
            try detach(disk, evenIfSnapshotsAreOpen: evenIfSnapshotsAreOpen)
        }
        // What was left for this detach goes on if other disks keep the key.
        if monitor.withLock({ catalogue.isHeld(disk.lineage.id) }) {
            reclaimer.resume(disk.lineage.id)
        }
    }

    private func detach(_ disk: Disk, evenIfSnapshotsAreOpen: Bool) throws {
        let id = disk.id
        try acting("detaching disk \(id)") {
            guard attached(id) === disk else {
                throw DiskError(.notFound, "disk \(id) is not attached")
            }
            if !evenIfSnapshotsAreOpen { try checkNoSnapshotNeeds(disk) }
            let metered = Result {
                try meter(KeyUse(action: "DetachDisk", resource: id.text), for: disk.lineage)
            }
            let closed = Result { try disk.close() }
            remember(disk)
            monitor.withLock {
                catalogue.attached[id] = nil
                catalogue.detaching.remove(id)
            }
            closeLineage(disk.lineage.id)
            try closed.get()
            try metered.get()
        }
    }

    /// A snapshot that is open for reading keeps the lineage's key in memory, which may only be
    /// while a disk of the lineage is attached.
    private func checkNoSnapshotNeeds(_ disk: Disk) throws {
        try monitor.withLock {
            let lineage = disk.lineage.id
            let others = catalogue.isHeld(lineage, besides: disk.id)
            let reading = catalogue.snapshots.values.first {
                $0.lineage == lineage && $0.readers > 0
            }
            if disk.isEncrypted, !others, let reading {
                throw DiskError(
                    .busy,
                    "snapshot \(reading.manifest.id) is open and needs the key of disk \(disk.id);"
                        + " close it first")
            }
            catalogue.detaching.insert(disk.id)
        }
    }

    /// Opens a disk for an action: its lineage, its verified manifest, its recovered map.
    /// Every call has its `close()` and `closeLineage`.
    func open(_ id: DiskID, for action: String) throws -> Disk {
        let lineageID = try detachedLineage(of: id)
        let lineage = try openLineage(
            lineageID, for: KeyUse(action: action, resource: id.text))
        do {
            let (manifest, version) = try verifiedDisk(id, in: lineage)
            let recovered = try Recovery(lineage: lineage, manifest: manifest, memory: memory).run()
            let limits = self.limits
            let disk = Disk(
                recovered: recovered, manifest: manifest, version: version, lineage: lineage,
                memory: memory, dirtyLimit: limits.dirtyPages(attached: attachedDisks().count + 1))
            disk.onCheckpoint = { [reclaimer] written, live in
                reclaimer.note(written: written, live: live, in: lineageID)
            }
            try disk.startHelpers()
            do {
                try applyPendingSize(to: disk)
            } catch {
                try? disk.close()
                throw error
            }
            return disk
        } catch {
            closeLineage(lineageID)
            throw DiskError.wrap(error, while: "recovering disk \(id)")
        }
    }

    private func applyPendingSize(to disk: Disk) throws {
        if let size = try pendingSize(of: disk.id, in: disk.lineage.id, above: disk.size) {
            try disk.resize(to: size)
        }
        try removePendingSize(disk.lineage.id, disk.id)
    }

    /// Runs `body` with the disk as it is if attached, else opened for the moment.
    func withDisk<R>(_ id: DiskID, for action: String, _ body: (Disk) throws -> R) throws -> R {
        if let disk = attached(id) {
            try meter(KeyUse(action: action, resource: id.text), for: disk.lineage)
            defer { remember(disk) }
            return try body(disk)
        }
        let disk = try open(id, for: action)
        let result = Result { try body(disk) }
        let closed = Result { try disk.close() }
        remember(disk)
        closeLineage(disk.lineage.id)
        try closed.get()
        return try result.get()
    }
}
