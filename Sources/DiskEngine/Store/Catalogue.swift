import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement

/// What a store holds, in memory. Manifests of lineages whose key is not here are as they were
/// read: good enough to show, never to act on.
struct Catalogue {
    struct DiskEntry: Listed {
        var manifest: DiskManifest
        let lineage: LineageID
        var pendingSize: UInt64?
        /// Whether the manifest was authenticated since the store was opened.
        var isVerified = false
        /// What it alone holds, in bytes, as of when that was asked for.
        var exclusive: (bytes: UInt64, asOf: Timestamp)?

        var owner: DiskID? { nil }
        var attributes: [String: String] { manifest.attributes }
    }
    struct SnapshotEntry: Listed {
        var manifest: SnapshotManifest
        let lineage: LineageID
        var readers = 0
        var isVerified = false
        var damage = FoundDamage()
        /// Of its sealed file, since that was read.
        var digest: [UInt8]?
        /// What it alone holds, in bytes, as of when that was asked for.
        var exclusive: (bytes: UInt64, asOf: Timestamp)?

        var owner: DiskID? { manifest.disk }
        var attributes: [String: String] { manifest.attributes }
    }
    struct OpenLineage {
        let lineage: Lineage
        let owned: OwnedLineage
        var users: Int
    }

    var envelopes: [LineageID: LineageManifest.KeyEnvelope] = [:]
    var disks = Listing<DiskID, DiskEntry>()
    var snapshots = Listing<SnapshotID, SnapshotEntry>()
    /// Snapshots that reads have found damaged; some may be gone.
    var damagedSnapshots: Set<SnapshotID> = []
    var openLineages: [LineageID: OpenLineage] = [:]
    /// Those that somebody is opening at this moment.
    var opening: Set<LineageID> = []
    var attached: [DiskID: Disk] = [:]
    /// Disks that are being opened at this moment, or are open for an action on a detached disk:
    /// whoever put one here is alone with it, and needs no lock for what takes long.
    var starting: Set<DiskID> = []
    /// Attached ones whose detach has begun: no snapshot is opened any more on their account.
    var detaching: Set<DiskID> = []
    /// Whether the store is being closed: nothing begins any more.
    var isClosed = false
    /// What could not be read when the store was opened, and why; and in which lineages.
    var damage: [String: String] = [:]
    var damagedLineages: Set<LineageID> = []

    /// Whether a disk other than `disk` keeps the lineage's key in memory.
    func isHeld(_ lineage: LineageID, besides disk: DiskID? = nil) -> Bool {
        attached.values.contains {
            $0.lineage.id == lineage && $0.id != disk && !detaching.contains($0.id)
                && !$0.takesImport
        }
    }

    func isUsed(_ lineage: LineageID, besides disk: DiskID? = nil) -> Bool {
        let isOneLess = disk.map { disks[$0]?.lineage == lineage } ?? false
        return disks.count(in: lineage) > (isOneLess ? 1 : 0) || snapshots.count(in: lineage) > 0
            || damagedLineages.contains(lineage)
    }

    /// Notes what is damaged. Its lineage counts as used, so that nothing of it is given back. A
    /// medium that fails is another matter, and may be well again when it is asked the next time:
    /// that is thrown.
    mutating func note(_ error: any Error, _ what: String, in lineage: LineageID) throws {
        let cause = DiskError.wrap(error, while: "reading the manifest of \(what)")
        guard cause.code == .damaged else { throw cause }
        damage[what] = cause.message
        damagedLineages.insert(lineage)
    }
}

extension Store {
    /// Reads every manifest as it stands. What is damaged keeps its disk, snapshot or lineage
    /// from being used, and nothing else. Nothing is removed but a lineage that is marked deleted.
    func loadCatalogue() throws {
        var loaded = Catalogue()
        elsewhere.versions = try lookElsewhere()
        for entry in try sealed.list(StoreLayout.lineages) {
            guard let lineage = LineageID(entry.name) else { continue }
            try loadNotingDamage(lineage, into: &loaded, isOwned: ownership.isOwned(lineage))
        }
        let result = loaded
        monitor.withLock { catalogue = result }
    }

    func loadNotingDamage(
        _ lineage: LineageID, into loaded: inout Catalogue, isOwned: Bool
    ) throws {
        do {
            try load(lineage, into: &loaded, isOwned: isOwned)
        } catch {
            try loaded.note(error, "lineage \(lineage)", in: lineage)
        }
    }

    private func load(
        _ lineage: LineageID, into loaded: inout Catalogue, isOwned: Bool
    ) throws {
        if try sealed.isMarkedDeleted(lineage) {
            // An interrupted creation or deletion, to be finished; or another host's is going on.
            reclaimer.remove(lineage)
            return
        }
        do {
            loaded.envelopes[lineage] = try sealed.readManifest(
                StoreLayout.lineageManifest(lineage), .lineage
            ).unverifiedKeyEnvelope(of: lineage)
        } catch let error as StoreError where error.code == .notFound {
            guard try !isEmpty(lineage) else { return }
            try loaded.note(error, "lineage \(lineage)", in: lineage)
        } catch {
            try loaded.note(error, "lineage \(lineage)", in: lineage)
        }
        try loadDisks(of: lineage, into: &loaded)
        try loadSnapshots(of: lineage, into: &loaded)
        try removeFinishedImports(of: lineage, in: &loaded, isOwned: isOwned)
        if !loaded.isUsed(lineage) {
            // Somebody's data whose manifests were lost, or are being put back from a copy.
            loaded.damage["lineage \(lineage)"] =
                "it has no disk and no snapshot: restore their manifests from a copy, or remove"
                + " its folder"
            loaded.damagedLineages.insert(lineage)
        }
    }

    /// Whether a lineage is a folder with nothing in it: what an interruption may leave.
    private func isEmpty(_ lineage: LineageID) throws -> Bool {
        let folders = [
            StoreLayout.disks(lineage), StoreLayout.snapshots(lineage), StoreLayout.chunks(lineage),
        ]
        return try folders.allSatisfy { try sealed.list($0).isEmpty }
    }

    private func loadDisks(of lineage: LineageID, into loaded: inout Catalogue) throws {
        for file in try sealed.list(StoreLayout.disks(lineage)) {
            guard let id = Self.id(file.name, DiskID.init) else { continue }
            do {
                let manifest = try sealed.readManifest(StoreLayout.disk(lineage, id), .disk)
                    .unverifiedDisk(id)
                loaded.disks[id] = .init(
                    manifest: manifest, lineage: lineage,
                    pendingSize: try pendingSize(of: id, in: lineage, above: manifest.state.size))
            } catch {
                try loaded.note(error, "disk \(id)", in: lineage)
            }
        }
    }

    /// Anything but a valid size above the disk's is ignored.
    func pendingSize(of id: DiskID, in lineage: LineageID, above size: UInt64) throws -> UInt64? {
        let pending = try sealed.readPendingSize(StoreLayout.pendingSize(lineage, id))
        return pending.flatMap { $0.size > size ? $0.size : nil }
    }

    private func loadSnapshots(of lineage: LineageID, into loaded: inout Catalogue) throws {
        for file in try sealed.list(StoreLayout.snapshots(lineage)) {
            guard let id = Self.id(file.name, SnapshotID.init) else { continue }
            do {
                let manifest = try sealed.readManifest(
                    StoreLayout.snapshot(lineage, id), .snapshot
                ).unverifiedSnapshot(id)
                loaded.snapshots[id] = .init(manifest: manifest, lineage: lineage)
            } catch {
                try loaded.note(error, "snapshot \(id)", in: lineage)
            }
        }
    }

    static func id<ID>(_ name: String, _ make: (String) -> ID?) -> ID? {
        guard name.hasSuffix(StoreLayout.manifestSuffix) else { return nil }
        return make(String(name.dropLast(StoreLayout.manifestSuffix.utf8.count)))
    }

    // MARK: Descriptions

    /// All disks, in the order of their creation.
    public func disks() throws -> [DiskSummary] {
        diskAttributes().compactMap { try? disk($0.id) }
    }

    /// The attributes of all disks, in the order of their creation: one look at the catalogue, none
    /// at the disks that are attached.
    public func diskAttributes() -> [(id: DiskID, attributes: [String: String])] {
        monitor.withLock {
            catalogue.disks.values.filter { $0.manifest.incoming == nil }
                .sorted { $0.place < $1.place }.map { ($0.manifest.id, $0.attributes) }
        }
    }

    /// The same of snapshots.
    public func snapshotAttributes() -> [(id: SnapshotID, attributes: [String: String])] {
        monitor.withLock {
            catalogue.snapshots.values.sorted { $0.place < $1.place }
                .map { ($0.manifest.id, $0.attributes) }
        }
    }

    /// Throws `.notFound`.
    public func disk(_ id: DiskID) throws -> DiskSummary {
        let (entry, attached, envelope, count) = try monitor.withLock {
            guard let entry = catalogue.disks[id], entry.manifest.incoming == nil else {
                throw catalogue.missing(id)
            }
            return (
                entry, catalogue.attached[id], catalogue.envelopes[entry.lineage],
                catalogue.snapshots.count(of: id)
            )
        }
        let isEncrypted = envelope?.suite != .plain
        let state = entry.manifest.state
        return DiskSummary(
            id: id, lineage: entry.lineage, isEncrypted: isEncrypted,
            size: attached?.size ?? state.size,
            created: Timestamp(seconds: entry.manifest.created),
            sourceSnapshot: entry.manifest.sourceSnapshot, keyID: envelope?.keyID,
            attributes: entry.manifest.attributes, isAttached: attached != nil,
            isVerified: entry.isVerified, pendingSize: entry.pendingSize,
            storedBytes: attached?.storedBytes ?? state.storedBlocks * UInt64(Format.blockSize),
            snapshotCount: count, damage: attached?.foundDamage)
    }

    /// Disks with this very value of an attribute, in no particular order.
    public func disks(withAttribute name: String, _ value: String) -> [DiskSummary] {
        let ids = monitor.withLock { catalogue.disks.ids(with: name, value) }
        return ids.compactMap { try? disk($0) }
    }

    /// The same of snapshots.
    public func snapshots(withAttribute name: String, _ value: String) -> [SnapshotSummary] {
        let ids = monitor.withLock { catalogue.snapshots.ids(with: name, value) }
        return ids.compactMap { try? snapshot($0) }
    }

    /// All snapshots, in the order of their creation.
    public func snapshots() throws -> [SnapshotSummary] {
        snapshotAttributes().compactMap { try? snapshot($0.id) }
    }

    /// Throws `.notFound`.
    public func snapshot(_ id: SnapshotID) throws -> SnapshotSummary {
        try monitor.withLock {
            guard let entry = catalogue.snapshots[id] else { throw catalogue.missing(id) }
            let envelope = catalogue.envelopes[entry.lineage]
            let isEncrypted = envelope?.suite != .plain
            let isOpen = catalogue.openLineages[entry.lineage] != nil
            let state = entry.manifest.state
            return SnapshotSummary(
                id: id, lineage: entry.lineage, disk: entry.manifest.disk,
                diskExists: catalogue.disks[entry.manifest.disk] != nil, isEncrypted: isEncrypted,
                size: state.size, created: Timestamp(seconds: entry.manifest.created),
                keyID: envelope?.keyID,
                storedBytes: state.storedBlocks * UInt64(Format.blockSize),
                attributes: entry.manifest.attributes, digest: entry.digest.map { Hex.text($0) },
                exclusiveBytes: entry.exclusive?.bytes, exclusiveAsOf: entry.exclusive?.asOf,
                isOpenable: isOpen || !isEncrypted,
                isVerified: entry.isVerified,
                damage: entry.damage.count > 0 ? entry.damage : nil)
        }
    }
}

extension Catalogue {
    /// Why there is no such disk to be had.
    func missing(_ id: DiskID) -> DiskError {
        if let damage = damage["disk \(id)"] { return DiskError(.damaged, damage) }
        return DiskError(.notFound, "there is no disk \(id) in this store")
    }

    func missing(_ id: SnapshotID) -> DiskError {
        if let damage = damage["snapshot \(id)"] { return DiskError(.damaged, damage) }
        return DiskError(.notFound, "there is no snapshot \(id) in this store")
    }
}
