import DiskFormat

// What an attached disk tells reclamation.
extension Disk {
    /// From now on the disk's map tells which slots it stops reaching. (What a replay overwrites
    /// died before: only a walk of the maps tells.)
    func recordDeaths() {
        monitor.withLock {
            map.deaths = Deaths(lane: manifest.lane, memory: map.memory)
            map.deaths?.askAt = worthAPass
        }
    }

    /// Slots that make a pass worth its two checkpoints: an eighth of what the disk holds. (As
    /// much may be left by the pass before.)
    private var worthAPass: Int {
        let limits = lineage.limits
        return Int(
            min(max(map.storedBlocks / 8, limits.leastReclaimBlocks), limits.mostReclaimBlocks))
    }

    /// Asks for a pass once enough has died. Called under the lock.
    func askForReclamation() {
        guard let deaths = map.deaths, deaths.worth >= deaths.askAt || isWorthADiscard(deaths)
        else { return }
        // Not again before as much has died once more, should the pass not come.
        map.deaths?.askAt = deaths.worth + worthAPass
        map.deaths?.discarded = 0
        onDeaths()
    }

    /// Who discards wants the space back at once, if it is more than the checkpoints will take.
    private func isWorthADiscard(_ deaths: Deaths) -> Bool {
        deaths.discarded >= lineage.limits.leastDiscardBlocks
            && deaths.discarded >= 8 * map.dirty.count
    }

    /// Takes two checkpoints if what died is worth more than they take: what died before the first
    /// is reached by no recovery then. Failing costs space, not data.
    func settleDeaths() throws {
        let isWorthIt = monitor.withLock {
            map.deaths.map { $0.worth > 2 * map.dirty.count + 8 } ?? false
        }
        guard isWorthIt else { return }
        for _ in 0..<2 { try checkpoint() }
    }

    /// Takes what is dead for good. Called under `Store.actions`, so that no snapshot is between
    /// its state and its manifest.
    func takeDeaths() -> TakenDeaths {
        monitor.withLock {
            var taken = TakenDeaths(lane: manifest.lane)
            guard let older = manifest.checkpoints.last else { return taken }
            taken.protectedFrom = older.replayFrom.chunk.sequence
            // Out of its place while it is changed, so that it is not copied.
            guard var deaths = map.deaths else { return taken }
            map.deaths = nil
            (taken.dead, taken.isIncomplete) = deaths.take(before: older.replayFrom)
            taken.holdsDiscards = deaths.discards > 0
            taken.mayWait = worthAPass
            taken.spareRoom = min(
                deaths.overwritten(of: taken.dead), Int(map.storedBlocks / 4))
            deaths.askAt = deaths.worth + worthAPass
            map.deaths = deaths
            return taken
        }
    }

    /// See `Deaths.setBound`. Called under `Store.actions`.
    func setDeathsBound(_ address: UInt64) {
        let old = monitor.withLock { map.deaths?.intervals(above: address) ?? [] }
        let counts = Dictionary(
            uniqueKeysWithValues: old.map { ($0.position, Deaths.count($0, above: address)) })
        monitor.withLock { map.deaths?.setBound(address, isExact: true, counts: counts) }
    }

    /// See `Deaths.share`. Called under `Store.actions`.
    func share(_ state: DiskState) {
        monitor.withLock { map.deaths?.share(below: state.root) }
    }

    /// Blocks that died and that a pass could take.
    var waitingDeaths: Int { monitor.withLock { map.deaths?.worth ?? 0 } }
}

/// What an attached disk tells a pass.
struct TakenDeaths {
    let lane: UInt16
    var dead: [Deaths.Interval] = []
    /// The first sequence of the lane that recovery may need.
    var protectedFrom: UInt32 = 0
    /// Whether more died than could be kept.
    var isIncomplete = false
    /// Slots that may be kept to be written again: no more than died by being overwritten, and
    /// than a quarter of what the disk holds.
    var spareRoom = 0
    /// Dead slots that need not be given back by this pass.
    var mayWait = 0
    /// Whether any may have been discarded.
    var holdsDiscards = false
}
