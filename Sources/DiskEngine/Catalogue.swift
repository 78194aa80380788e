import ChunkStore
import DiskFormat
import KeyManagement

/// What a store holds, in memory. Manifests of lineages whose key is not here are as they were
/// read: good enough to show, never to act on.
struct Catalogue {
    struct DiskEntry {
        var manifest: DiskManifest
        let lineage: LineageID
        var pendingSize: UInt64?
    }
    struct SnapshotEntry {
        let manifest: SnapshotManifest
        let lineage: LineageID
        var readers = 0
    }
    struct OpenLineage {
        let lineage: Lineage
        var users: Int
    }

    var envelopes: [LineageID: LineageManifest.KeyEnvelope] = [:]
    var disks: [DiskID: DiskEntry] = [:]
    var snapshots: [SnapshotID: SnapshotEntry] = [:]
    var openLineages: [LineageID: OpenLineage] = [:]
    var attached: [DiskID: Disk] = [:]

    func isUsed(_ lineage: LineageID) -> Bool {
        disks.values.contains { $0.lineage == lineage }
            || snapshots.values.contains { $0.lineage == lineage }
    }
}

extension Store {
    /// Reads every manifest as it stands, and clears away what an interrupted creation or deletion
    /// left: a lineage without a disk or snapshot.
    func loadCatalogue() throws {
        var loaded = Catalogue()
        for entry in try sealed.list(StoreLayout.lineages) {
            guard let lineage = LineageID(entry.name) else { continue }
            for file in try sealed.list(StoreLayout.disks(lineage)) {
                guard let id = Self.id(file.name, DiskID.init) else { continue }
                let manifest = try reading("disk \(id)") {
                    try sealed.readManifest(StoreLayout.disk(lineage, id)).unverifiedDisk(id)
                }
                let pending = try sealed.readPendingSize(StoreLayout.pendingSize(lineage, id))
                loaded.disks[id] = .init(
                    manifest: manifest, lineage: lineage, pendingSize: pending?.size)
            }
            for file in try sealed.list(StoreLayout.snapshots(lineage)) {
                guard let id = Self.id(file.name, SnapshotID.init) else { continue }
                let manifest = try reading("snapshot \(id)") {
                    try sealed.readManifest(StoreLayout.snapshot(lineage, id))
                        .unverifiedSnapshot(id)
                }
                loaded.snapshots[id] = .init(manifest: manifest, lineage: lineage)
            }
            guard loaded.isUsed(lineage) else {
                try sealed.removeFolder(StoreLayout.lineage(lineage))
                continue
            }
            loaded.envelopes[lineage] = try reading("lineage \(lineage)") {
                try sealed.readManifest(StoreLayout.lineageManifest(lineage))
                    .unverifiedKeyEnvelope(of: lineage)
            }
        }
        let result = loaded
        monitor.withLock { catalogue = result }
    }

    private func reading<R>(_ what: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch {
            throw DiskError.wrap(error, while: "reading the manifest of \(what)")
        }
    }

    private static func id<ID>(_ name: String, _ make: (String) -> ID?) -> ID? {
        guard name.hasSuffix(StoreLayout.manifestSuffix) else { return nil }
        return make(String(name.dropLast(StoreLayout.manifestSuffix.utf8.count)))
    }

    // MARK: Descriptions

    /// All disks, by creation time, then id.
    public func disks() throws -> [DiskSummary] {
        let ids = monitor.withLock { Array(catalogue.disks.keys) }
        return ids.compactMap { try? disk($0) }
            .sorted { ($0.created, $0.id) < ($1.created, $1.id) }
    }

    /// Throws `.notFound`.
    public func disk(_ id: DiskID) throws -> DiskSummary {
        let (entry, attached, isOpen, envelope, count) = try monitor.withLock {
            guard let entry = catalogue.disks[id] else { throw Self.noDisk(id) }
            return (
                entry, catalogue.attached[id], catalogue.openLineages[entry.lineage] != nil,
                catalogue.envelopes[entry.lineage],
                catalogue.snapshots.values.count { $0.manifest.disk == id }
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
            isVerified: isOpen || !isEncrypted, pendingSize: entry.pendingSize,
            storedBytes: attached?.storedBytes ?? state.storedBlocks * UInt64(Format.blockSize),
            snapshotCount: count)
    }

    /// All snapshots, by creation time, then id.
    public func snapshots() throws -> [SnapshotSummary] {
        let ids = monitor.withLock { Array(catalogue.snapshots.keys) }
        return ids.compactMap { try? snapshot($0) }
            .sorted { ($0.created, $0.id) < ($1.created, $1.id) }
    }

    /// Throws `.notFound`.
    public func snapshot(_ id: SnapshotID) throws -> SnapshotSummary {
        try monitor.withLock {
            guard let entry = catalogue.snapshots[id] else { throw Self.noSnapshot(id) }
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
                attributes: entry.manifest.attributes, isOpenable: isOpen || !isEncrypted,
                isVerified: isOpen || !isEncrypted)
        }
    }

    static func noDisk(_ id: DiskID) -> DiskError {
        DiskError(.notFound, "there is no disk \(id) in this store")
    }

    static func noSnapshot(_ id: SnapshotID) -> DiskError {
        DiskError(.notFound, "there is no snapshot \(id) in this store")
    }
}
