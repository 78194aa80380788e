import DiskFormat

@testable import DiskEngine

extension World {
    /// What is done with no client at work: comparisons, and actions on whole disks.
    func actBetweenPhases(_ store: Store) {
        verifyQuiet(store)
        if generator.chance(30), !isOver { compareWithReplay(store) }
        for _ in 0..<generator.number(in: 0..<4) where !isOver {
            guard let id = generator.pick(disksHere) else { return }
            switch generator.number(in: 0..<7) {
            case 0: flushAll(store)
            case 1: resize(id, store)
            case 2: rollBack(store)
            case 3: clone(store)
            case 4: reattach(id, store)
            case 5: delete(id, store)
            default: store.reclaimer.waitUntilIdle()
            }
        }
    }

    /// Everything is durable now, so a later loss of power changes nothing.
    private func flushAll(_ store: Store) {
        for id in disksHere {
            guard let disk = store.attached(id), disks[id]?.history.isQuiet ?? false else {
                continue
            }
            let start = tick()
            let isDone: Void? = attempt("flush \(id)") { try disk.flush() }
            if isDone != nil, !host.isDown, isFlushFarAway {
                noteStored(id, begunAt: start)
            }
            guard isDone != nil, let found = attempt("read", { try content(of: disk) }),
                !host.isDown
            else { return }
            settle(id, on: found)
            if isFlushFarAway { disks[id]?.isAllStored() }
        }
    }

    private func resize(_ id: DiskID, _ store: Store) {
        guard let disk = disks[id], !isSmall, disk.blockCount < 3000 else { return }
        let size = disk.history.base.count + 8 * generator.magnitude(in: 1..<600)
        disks[id]?.resizingTo = size
        let start = tick()
        let isDone: Void? = attempt("resize \(id) to \(size)") {
            try store.resize(id, to: UInt64(size * Content.sectorSize))
        }
        guard isDone != nil, !host.isDown else { return }
        disks[id]?.history.grow(to: size)
        // A snapshot that was made before and that nobody could read yet has another size.
        for (start, request) in snapshotsInTheMaking where request.disk == id {
            snapshotsInTheMaking[start]?.isForgotten = true
        }
        disks[id]?.resizingTo = nil
        noteStored(id, begunAt: start)
    }

    private func rollBack(_ store: Store) {
        guard let id = generator.pick(snapshotsHere), let snapshot = snapshots[id] else {
            return
        }
        disks[snapshot.disk]?.rollingBackTo = snapshot.content
        let isDone: Void? = attempt("put \(snapshot.disk) back to \(id)") {
            try store.reset(snapshot.disk, to: id)
        }
        guard isDone != nil, !host.isDown else { return }
        settle(snapshot.disk, on: snapshot.content)
        disks[snapshot.disk]?.isAllStored()
    }

    private func clone(_ store: Store) {
        guard let id = generator.pick(snapshotsHere), let base = snapshots[id]?.content else {
            return
        }
        make("clone of \(id)", content: base, store) {
            try store.createDisk(from: id, size: nil, attributes: $0)
        }
    }

    /// Makes a disk by `create`, which gives it the attributes that it is told, and attaches it.
    func make(
        _ what: String, content: [History.Stamp], _ store: Store,
        _ create: ([String: String]) throws -> DiskSummary
    ) {
        guard disks.count < 4 else { return }
        let mark = "\(tick())"
        disksInTheMaking[mark] = DiskInTheMaking(content: content, host: here)
        guard
            let made = attempt("make a \(what)", { try create([DiskInTheMaking.attribute: mark]) }),
            !host.isDown, !hosts[here].isRobbed
        else { return }
        disksInTheMaking[mark] = nil
        disks[made.id] = SimulatedDisk(id: made.id, content: content, host: here)
        attempt("attach \(made.id)") { try attach(made.id, store) }
    }

    private func reattach(_ id: DiskID, _ store: Store) {
        let isDone: Void? = attempt("detach \(id)") { try store.detach(id) }
        guard isDone != nil, !host.isDown,
            let disk = attempt("attach \(id) again", { try attach(id, store) }),
            let found = attempt("read \(id)", { try content(of: disk) }), !host.isDown
        else { return }
        if let fault = disks[id]?.history.fault(inPrefix: found, must: tick()) {
            violate("disk \(id) after a detach: \(fault)")
        }
        settle(id, on: found)
        disks[id]?.isAllStored()
    }

    private func delete(_ id: DiskID, _ store: Store) {
        guard disks.count > 1, generator.chance(40) else { return }
        let isDetached: Void? = attempt("detach \(id) to delete it") { try store.detach(id) }
        guard isDetached != nil, !host.isDown else { return }
        disks[id]?.isBeingDeleted = true
        let isDone: Void? = attempt("delete \(id)") { try store.deleteDisk(id) }
        guard isDone != nil, !host.isDown else { return }
        disks[id] = nil
        deletedDisks.insert(id)
        // Its snapshots live on, but can be read only with another disk of the lineage attached.
        for (key, snapshot) in snapshots where snapshot.disk == id {
            snapshots[key]?.isBeingDeleted = true
            let isGone: Void? = attempt("delete \(key)") { try store.deleteSnapshot(key) }
            if isGone != nil, !host.isDown { snapshots[key] = nil }
        }
    }

    /// The last look: all is as it was, a full store can be freed, and the end is clean.
    func finish(_ store: Store) {
        verifyQuiet(store)
        for id in snapshots.keys.sorted() {
            verify(id, store)
            verifySealed(id, store)
        }
        for id in disks.keys.sorted() { scrub(id, store) }
        if hasSecondHosts { verifyAccount(store) }
        if isSmall, violations.isEmpty { freeFullStore(store) }
        attempt("close the store for good") { try store.close() }
    }

    private func freeFullStore(_ store: Store) {
        for id in snapshots.keys.sorted() {
            attempt("delete snapshot \(id)") { try store.deleteSnapshot(id) }
        }
        for id in disks.keys.sorted() {
            guard let disk = store.attached(id) else { continue }
            do {
                try disk.discard(at: 0, length: disk.size)
            } catch {
                violate("a full store cannot be freed: \(error)")
            }
        }
        guard let id = disks.keys.sorted().first, let disk = store.attached(id) else { return }
        let bytes = Content.bytes(1, 0..<8)
        do {
            try bytes.withUnsafeBytes { try disk.write($0, at: 0) }
        } catch {
            violate("a store that was freed takes no write: \(error)")
        }
    }
}
