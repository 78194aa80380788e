import ChunkStore
import DiskFormat
import Scheduling

/// What was last seen of a shared store beyond this process.
final class Elsewhere: @unchecked Sendable {
    // @unchecked: `versions` is accessed under `turn`, `holders` and `gone` under `monitor`.
    /// Held by the one look at a time.
    let turn: Monitor
    /// Versions of the objects of each lineage, when its manifests were read.
    var versions: [LineageID: [ObjectName: ObjectVersion]] = [:]
    private let monitor: Monitor
    private var holders: [LineageID: String] = [:]
    private var gone = Gone()

    /// What was here and is no more.
    struct Gone {
        var disks: Set<DiskID> = []
        var snapshots: Set<SnapshotID> = []
    }

    init(threads: any Threads) {
        turn = threads.makeMonitor()
        monitor = threads.makeMonitor()
    }

    func holder(of lineage: LineageID) -> String? { monitor.withLock { holders[lineage] } }
    func note(_ holders: [LineageID: String]) { monitor.withLock { self.holders = holders } }

    func note(_ gone: Gone) {
        monitor.withLock {
            self.gone.disks.formUnion(gone.disks)
            self.gone.snapshots.formUnion(gone.snapshots)
        }
    }

    func takeGone() -> Gone {
        monitor.withLock {
            defer { gone = Gone() }
            return gone
        }
    }
}

// What other hosts do in a shared store. Nobody tells: it is looked for, now and then, and whenever
// a lineage is taken.
extension Store {
    /// Whether other processes may have the store open, too.
    public var isShared: Bool { shared != nil }

    /// Takes a lineage for this process, which shows it as it is from then on; see
    /// `LineageOwnership.own`.
    func own(_ lineage: LineageID, isFencing: Bool = false) throws -> OwnedLineage {
        try ownership.own(lineage, isFencing: isFencing) {
            try reload(lineage, isOwned: true)
        }
    }

    /// Takes over what other hosts have made, changed and deleted since the last call. Returns what
    /// is here no more. Throws `.io`; what could not be looked at then is shown as before.
    public func refresh() throws -> (disks: Set<DiskID>, snapshots: Set<SnapshotID>) {
        guard shared != nil else { return ([], []) }
        do {
            return try elsewhere.turn.withLock {
                let known = elsewhere.versions
                let now = try lookElsewhere()
                // One that this process made may have come and gone between two looks.
                let shown = monitor.withLock { catalogue.shownLineages }
                for lineage in shown.union(now.keys).union(known.keys)
                where now[lineage] != known[lineage]
                    || now[lineage] == nil && shown.contains(lineage)
                {
                    try ownership.unlessOwned(lineage) { try reload(lineage, isOwned: false) }
                    elsewhere.versions[lineage] = now[lineage]
                }
                let gone = elsewhere.takeGone()
                return (gone.disks, gone.snapshots)
            }
        } catch {
            throw DiskError.wrap(error, while: "looking for what other hosts changed")
        }
    }

    /// The turn of changing in several steps what the account has: of the hosts of a shared store
    /// one has it at a time, for as long as what is returned lives. Throws `.heldElsewhere` naming
    /// who has it, `.io`.
    public func takeAccountTurn() throws -> AccountTurn {
        guard let shared, let folder = ObjectName("\(StoreLayout.lineages)/account") else {
            return AccountTurn(lock: nil)
        }
        return AccountTurn(lock: try ownership.take(folder, of: shared, false).lock)
    }

    /// Who has the lineage of a disk, as of the last look; nil: nobody else, or it is not known.
    public func holderElsewhere(of lineage: LineageID) -> String? {
        ownership.isOwned(lineage) ? nil : elsewhere.holder(of: lineage)
    }

    /// Asks the store who has what, and which versions there are, by lineage.
    func lookElsewhere() throws -> [LineageID: [ObjectName: ObjectVersion]] {
        guard let shared, let folder = ObjectName(StoreLayout.lineages) else { return [:] }
        var versions: [LineageID: [ObjectName: ObjectVersion]] = [:]
        for (name, version) in try shared.versions(below: folder) {
            guard let lineage = Self.lineage(of: name) else { continue }
            versions[lineage, default: [:]][name] = version
        }
        var holders: [LineageID: String] = [:]
        for (folder, holder) in try shared.holders() {
            if let lineage = Self.lineage(of: folder) { holders[lineage] = holder }
        }
        elsewhere.note(holders)
        return versions
    }

    private static func lineage(of name: ObjectName) -> LineageID? {
        name.components.count > 1 ? LineageID(String(name.components[1])) : nil
    }

    /// Reads a lineage's manifests anew, and shows what they say. Called while nobody here works
    /// with the lineage.
    private func reload(_ lineage: LineageID, isOwned: Bool) throws {
        var loaded = Catalogue()
        try loadNotingDamage(lineage, into: &loaded, isOwned: isOwned)
        let fresh = loaded
        elsewhere.note(monitor.withLock { catalogue.replace(lineage, by: fresh) })
    }
}

/// Held while this host changes what the account has.
public final class AccountTurn: Sendable {
    private let lock: (any StoreLock)?
    fileprivate init(lock: (any StoreLock)?) { self.lock = lock }
    deinit { lock?.release() }
}

extension Catalogue {
    /// The lineages of all disks and snapshots that are shown.
    fileprivate var shownLineages: Set<LineageID> {
        Set(disks.values.map(\.lineage)).union(snapshots.values.map(\.lineage))
    }

    /// Shows a lineage as it was read anew. What is as it was keeps what is known of it. Returns
    /// what is there no more.
    fileprivate mutating func replace(
        _ lineage: LineageID, by fresh: Catalogue
    ) -> Elsewhere.Gone {
        var gone = Elsewhere.Gone()
        envelopes[lineage] = fresh.envelopes[lineage]
        for entry in disks.values where entry.lineage == lineage {
            let id = entry.manifest.id
            if fresh.disks[id] == nil {
                disks[id] = nil
                gone.disks.insert(id)
            }
            damage["disk \(id)"] = nil
        }
        for entry in fresh.disks.values {
            let id = entry.manifest.id
            if disks[id]?.manifest == entry.manifest, disks[id]?.pendingSize == entry.pendingSize {
                continue
            }
            disks[id] = entry
        }
        for entry in snapshots.values where entry.lineage == lineage {
            let id = entry.manifest.id
            if fresh.snapshots[id] == nil {
                snapshots[id] = nil
                gone.snapshots.insert(id)
            }
            damage["snapshot \(id)"] = nil
        }
        for entry in fresh.snapshots.values
        where snapshots[entry.manifest.id]?.manifest != entry.manifest {
            snapshots[entry.manifest.id] = entry
        }
        damage["lineage \(lineage)"] = nil
        damagedLineages.remove(lineage)
        damage.merge(fresh.damage) { _, new in new }
        damagedLineages.formUnion(fresh.damagedLineages)
        return gone
    }
}
