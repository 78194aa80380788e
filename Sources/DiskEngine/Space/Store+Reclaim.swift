import DiskFormat
import KeyManagement

/// What a pass of reclamation gave back to the host.
struct Reclaimed: Equatable {
    /// Chunks that were deleted.
    var chunks = 0
    /// Bytes of those, and of dead blocks in others.
    var bytes: UInt64 = 0
}

// A pass of reclamation. Nothing is ever moved: what is dead is forgotten. A chunk is deleted when
// nothing reaches a slot of it and no recovery could need it; of another the dead blocks are given
// back, and stay blank.
//
// What is dead is derived, never stored. A walk of all maps tells it (`Mark`), once the lineage's
// key is in memory and whenever a root was given up; from then on the attached disks tell what they
// stop reaching (`Deaths`), and a pass costs what changed.
extension Store {
    /// Gives back what is dead in a lineage. nil if it could not be done or finished now, because
    /// the lineage's key is not, or must not stay, in memory.
    ///
    /// `walking`: because a root was given up, or nobody knows what died. `isUrgent`: there is no
    /// space, so everything that is dead goes, not only what is worth the effort.
    func reclaim(_ id: LineageID, walking: Bool = true, isUrgent: Bool = false) throws
        -> Reclaimed?
    {
        guard let lineage = try lineageForPass(id) else {
            // Another host may want it at this moment, and whoever had it has left the note.
            if !isShared { leaveNote(id) }
            return nil
        }
        defer { closeLineage(id) }
        return try passes.withLock {
            var pass = ReclamationPass(store: self, lineage: lineage, isUrgent: isUrgent)
            let result: Reclaimed?
            do {
                result = try pass.run(walking: walking || !lineage.space.isMarked)
            } catch {
                leaveNote(id)
                throw error
            }
            if result == nil { leaveNote(id) } else { sealed.unmarkReclaimable(id) }
            return result
        }
    }

    /// The lineage if its key is in memory, or if it has none; counted as used.
    private func lineageForPass(_ id: LineageID) throws -> Lineage? {
        let (open, isPlain) = monitor.withLock { () -> (Lineage?, Bool) in
            catalogue.openLineages[id]?.users += 1
            return (
                catalogue.openLineages[id]?.lineage, catalogue.envelopes[id]?.suite == .plain
            )
        }
        if let open { return open }
        return isPlain ? try openLineage(id, for: nil, while: "reclaiming") : nil
    }

    /// Blocks that are known to be dead and were not given back.
    var deadBlocks: Int {
        let (lineages, disks) = monitor.withLock {
            (catalogue.openLineages.values.map(\.lineage), Array(catalogue.attached.values))
        }
        return lineages.reduce(0) { $0 + $1.space.waitingBlocks + $1.spares.slots }
            + disks.reduce(0) { $0 + $1.waitingDeaths }
    }

    /// Open lineages of which something could be given back, as far as that is known.
    var lineagesWithSomethingDead: [LineageID] {
        let (lineages, disks) = monitor.withLock {
            (catalogue.openLineages.values.map(\.lineage), Array(catalogue.attached.values))
        }
        let dying = Set(disks.filter { $0.waitingDeaths > 0 }.map(\.lineage.id))
        return lineages.filter {
            !$0.space.isKnown || $0.space.waitingBlocks > 0 || $0.spares.slots > 0
                || dying.contains($0.id)
        }.map(\.id)
    }

    /// For the next attach. Not of a lineage that was deleted meanwhile: that would make it anew.
    private func leaveNote(_ id: LineageID) {
        // A hint: whoever has the lineage instead has it walked sooner or later.
        guard let owned = try? own(id) else { return }
        withExtendedLifetime(owned) {
            actions.withLock {
                if monitor.withLock({ catalogue.envelopes[id] != nil }) {
                    sealed.markReclaimable(id)
                }
            }
        }
    }

    /// Removes what is left of a lineage that is marked deleted. One that another host works with
    /// is that one's: it makes or deletes it at this moment.
    func removeMarked(_ id: LineageID) throws {
        let owned: OwnedLineage
        do {
            owned = try own(id)
        } catch let error as DiskError where error.code == .heldElsewhere {
            return
        }
        try withExtendedLifetime(owned) {
            guard try !isShared || sealed.isMarkedDeleted(id) else { return }
            try sealed.removeMarked(id)
        }
    }

    /// Asks for a pass over a lineage of which a root was given up. Called by who owns it: if its
    /// key is not in memory, or goes, the next attach is left a note here and now, for to leave it
    /// later the lineage would have to be taken once more, perhaps from under another host.
    func requestPass(over id: LineageID) {
        let isKept = monitor.withLock {
            catalogue.isHeld(id) || catalogue.envelopes[id]?.suite == .plain
        }
        if isKept { return reclaimer.request(id) }
        sealed.markReclaimable(id)
        reclaimer.postpone(id)
    }

    /// Called under `actions`, with no pass over the lineage. Leaves a note if a disk that ends has
    /// told of more dead blocks than are worth forgetting, or takes the key with it that a pass
    /// waits for: the next attach has a look at its lineage.
    func noteWhatWaits(_ disk: Disk) {
        let lineage = disk.lineage
        let waiting = disk.waitingDeaths + lineage.space.waitingBlocks
        // A session that failed changes nothing any more, not even this.
        let isOver = disk.monitor.withLock { disk.log.failure != nil }
        let isLast = monitor.withLock { !catalogue.isHeld(lineage.id, besides: disk.id) }
        let isPostponed =
            isLast && (disk.isEncrypted || isShared) && reclaimer.postpone(lineage.id)
        if waiting >= limits.leastDiscardBlocks || isPostponed, !isOver {
            sealed.markReclaimable(lineage.id)
        }
    }
}
