import ChunkStore
import DiskFormat
import KeyManagement

extension Store {
    public func attached(_ id: DiskID) -> Disk? {
        monitor.withLock { catalogue.attached[id].flatMap { $0.takesImport ? nil : $0 } }
    }

    public func attachedDisks() -> [Disk] { disksAtWork().filter { !$0.takesImport } }

    /// Those that are attached, and those that take a snapshot which is on its way in.
    func disksAtWork() -> [Disk] {
        monitor.withLock { catalogue.attached.values.sorted { $0.id < $1.id } }
    }

    /// Brings the disk's key into memory and recovers it; it can be read and written from now on.
    /// Calls the KMS (Decrypt) if it is encrypted.
    ///
    /// `acceptingRollback`: also if it is older than the store's anchor knows it. That is recorded
    /// by the KMS, and the anchor follows what is there. `isFencing`: also if another host of a
    /// shared store works with its lineage, from which it is taken: nothing that this one writes
    /// later becomes part of it, and its users get errors.
    ///
    /// Throws `.notFound`, `.busy` if it is attached, `.heldElsewhere`, `.keyServiceInactive`,
    /// `.keyRefused`, `.rolledBack`, `.damaged`, `.io`, also if the anchor cannot be written.
    @discardableResult
    public func attach(
        _ id: DiskID, acceptingRollback: Bool = false, isFencing: Bool = false
    ) throws -> Disk {
        let what = "attaching disk \(id)"
        _ = try lineage(of: id)
        let lineage = try openLineage(
            try detachedLineage(of: id), for: KeyUse(action: "AttachDisk", resource: id.text),
            while: what, accepting: acceptingRollback ? id : nil, isFencing: isFencing)
        do {
            try acting(what) { try reserve(id) }
            return try start(id, in: lineage, while: what, acceptingRollback: acceptingRollback)
        } catch {
            closeLineage(lineage.id)
            throw error
        }
    }

    /// From here on a detached disk is the caller's alone, to open it or to work on it; every
    /// success has its `release` or `start`. Called under `actions`.
    func reserve(_ id: DiskID) throws {
        // The key was fetched without a lock: it may have been deleted in part meanwhile.
        try checkNotBeingDeleted(try detachedLineage(of: id))
        monitor.withLock { _ = catalogue.starting.insert(id) }
    }

    private func release(_ id: DiskID) {
        monitor.withLock {
            catalogue.starting.remove(id)
            monitor.announce()
        }
    }

    /// Opens a reserved disk of an open lineage and puts it to work. Called without a lock:
    /// replaying a log takes its time, and holds up nobody.
    func start(
        _ id: DiskID, in lineage: Lineage, while what: String, acceptingRollback: Bool = false
    ) throws -> Disk {
        defer { release(id) }
        if acceptingRollback { try acceptSnapshots(of: lineage.id, for: id) }
        let disk = try open(id, in: lineage, acceptingRollback: acceptingRollback)
        do {
            return try acting(what) {
                monitor.withLock { catalogue.attached[id] = disk }
                shareMapMemory()
                remember(disk)
                if sealed.isMarkedReclaimable(lineage.id) { reclaimer.request(lineage.id) }
                let (sessions, next) = lineage.withManifest { ($0.sessions.count, $0.nextSession) }
                reclaimer.note(sessions: sessions, next: next, in: lineage.id)
                return disk
            }
        } catch {
            try? disk.close()  // the store is being closed
            throw error
        }
    }

    /// An attached disk whose session is older than the one that wrote a snapshot, which then came
    /// in by an import, is opened anew: what a session writes may name only what it or earlier ones
    /// wrote (`Lineage+Sessions.swift`). Called under `actions`; the disk is not open for anybody.
    func renewSession(of id: DiskID, for snapshot: SnapshotID) throws {
        guard let disk = attached(id),
            let session = disk.monitor.withLock({ disk.log.session?.number }),
            let state = monitor.withLock({ catalogue.snapshots[snapshot]?.manifest.state }),
            state.session?.number ?? 0 > session
        else { return }
        do {
            try disk.close()
            let fresh = try open(id, in: disk.lineage)
            monitor.withLock { catalogue.attached[id] = fresh }
            remember(fresh)
        } catch {
            monitor.withLock { catalogue.attached[id] = nil }
            shareMapMemory()
            closeLineage(disk.lineage.id)
            throw DiskError(
                .sessionOver, "disk \(id) was detached: \(error)", cause: error)
        }
    }

    /// Ends the attachment. The caller has made sure that nobody uses the disk and that no new
    /// request will come. Drains, checkpoints, wipes the key if no other disk of the lineage is
    /// attached. The disk is detached in every case but `.busy`; another error says what could not
    /// be made durable or recorded.
    ///
    /// Throws `.notFound` if it is not attached, `.busy` if an open snapshot needs the key.
    public func detach(_ id: DiskID) throws {
        guard let disk = attached(id) else {
            throw DiskError(.notFound, "disk \(id) is not attached")
        }
        let ended = try end(disk, isClosing: false)
        // What was left for this detach goes on if other disks keep the key.
        if monitor.withLock({ catalogue.isHeld(disk.lineage.id) }) {
            reclaimer.resume(disk.lineage.id)
        }
        let anchored = Result { try freshness?.write() }
        let metered = Result { try meterDetach(of: disk) }
        try ended.get()
        try anchored.get()
        _ = try metered.get()
    }

    /// Ends an attachment, without a word to the KMS; when the store is being closed, also while a
    /// snapshot is open. Throws if it goes on; returns what could not be made durable.
    func end(_ disk: Disk, isClosing: Bool) throws -> Result<Void, any Error> {
        let id = disk.id
        return try reclaimer.withSuspended(disk.lineage.id) {
            try acting("detaching disk \(id)", isClosing: isClosing) {
                guard monitor.withLock({ catalogue.attached[id] === disk }) else {
                    throw DiskError(.notFound, "disk \(id) is not attached")
                }
                if !isClosing { try checkNoSnapshotNeeds(disk) }
                let closed = Result { try disk.close() }
                disk.noteFreshness()
                noteWhatWaits(disk)
                remember(disk)
                monitor.withLock {
                    catalogue.attached[id] = nil
                    catalogue.detaching.remove(id)
                }
                shareMapMemory()
                closeLineage(disk.lineage.id)
                return closed
            }
        }
    }

    /// Recorded afterwards: no KMS keeps a disk from being detached. One that is not reached makes
    /// no failure of it, for the record is there; false then. `isAsking` false: it was not reached
    /// a moment ago, and is not waited for once more.
    @discardableResult
    func meterDetach(of disk: Disk, isAsking: Bool = true) throws -> Bool {
        guard disk.isEncrypted else { return isAsking }
        let use = KeyUse(action: "DetachDisk", resource: disk.id.text)
        do {
            if isAsking { try meter(use, isEnding: true) } else { try keys.note(use) }
            return isAsking
        } catch let error as DiskError {
            guard (error.cause as? KeyError)?.code == .unavailable else { throw error }
            return false
        }
    }

    /// Each attached disk gets its share of map memory for dirty pages; who has more than that now
    /// writes them out. Called under `actions`.
    private func shareMapMemory() {
        let disks = disksAtWork()
        memory.share(among: disks.count)
        for disk in disks { disk.monitor.withLock { disk.checkpointIfDue() } }
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

    /// Opens a reserved disk of an open lineage: its verified manifest, its recovered map. Every
    /// call has its `close()`.
    private func open(_ id: DiskID, in lineage: Lineage, acceptingRollback: Bool = false) throws
        -> Disk
    {
        do {
            let (disk, replay) = try recover(
                id, in: lineage, acceptingRollback: acceptingRollback)
            try disk.startHelpers()
            do {
                if let replay { try disk.replay(replay) }
                disk.recordDeaths()
            } catch {
                disk.abandon()
                throw error
            }
            do {
                try applyPendingSize(to: disk)
                try anchorOpened(disk)
            } catch {
                try? disk.close()
                throw error
            }
            return disk
        } catch {
            throw DiskError.wrap(error, while: "recovering disk \(id)")
        }
    }

    /// Finds a disk's last state. What is older than the anchor knows it goes no further than this:
    /// nothing was written yet.
    private func recover(_ id: DiskID, in lineage: Lineage, acceptingRollback: Bool) throws
        -> (Disk, Replay?)
    {
        let lineageID = lineage.id
        let (manifest, version) = try verifiedDisk(
            id, in: lineage, acceptingRollback: acceptingRollback)
        let recovered = try Recovery(lineage: lineage, manifest: manifest, memory: memory).run()
        try checkFreshness(of: id, end: recovered.end, accepting: acceptingRollback)
        let disk = Disk(
            recovered: recovered, manifest: manifest, version: version, lineage: lineage)
        disk.onDeaths = { [reclaimer] in reclaimer.request(lineageID, walking: false) }
        disk.onShortage = { [weak self] in
            guard let self else { return false }
            return reclaimer.findRoom(for: lineageID, dead: deadBlocks)
        }
        return (disk, recovered.replay)
    }

    private func applyPendingSize(to disk: Disk) throws {
        if let size = try pendingSize(of: disk.id, in: disk.lineage.id, above: disk.size) {
            try disk.resize(to: size)
        }
        try removePendingSize(disk.lineage.id, disk.id)
    }

    /// An action on a disk: fetches its key for `use`, then runs `body` with the disk as it is if
    /// attached, else opened for the moment. `check` says whether it may be done: it is asked
    /// before a key is used for nothing, and again when no other action can come between.
    func acting<R>(
        _ what: String, on id: DiskID, for action: String, checking check: () throws -> Void = {},
        _ body: (Disk) throws -> R
    ) throws -> R {
        try check()
        let use = KeyUse(action: action, resource: id.text)
        return try withLineage(try lineage(of: id), for: use, while: what) { lineage in
            let done = try acting(what) { () -> R? in
                try check()
                guard let disk = attached(id) else {
                    try reserve(id)
                    return nil
                }
                defer { remember(disk) }
                return try body(disk)
            }
            return try done
                ?? onDetached(id, in: lineage) { disk in
                    try acting(what) {
                        try check()
                        return try body(disk)
                    }
                }
        }
    }

    /// A reserved disk, open for the moment. Opening and closing it hold up nobody.
    private func onDetached<R>(_ id: DiskID, in lineage: Lineage, _ body: (Disk) throws -> R) throws
        -> R
    {
        defer { release(id) }
        let disk = try open(id, in: lineage)
        let result = Result { try body(disk) }
        let closed = Result { try disk.close() }
        remember(disk)
        try closed.get()
        return try result.get()
    }
}
