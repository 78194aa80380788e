import DiskFormat

/// Looks at a lineage whose key is not here, or whose manifest is damaged, as far as that goes:
/// whether what stands there is well-formed and says that it is what its place says.
struct StructureCheck {
    let id: LineageID
    let folder: StoreFolder.LineageFolder
    let store: SealedStore
    let gauge: CheckGauge
    var report: CheckReport

    /// The report with all that was found in the lineage.
    static func run(
        _ id: LineageID, _ folder: StoreFolder.LineageFolder, isManifestTrusted: Bool,
        _ store: SealedStore, _ gauge: CheckGauge, into report: CheckReport
    ) throws -> CheckReport {
        var check = StructureCheck(
            id: id, folder: folder, store: store, gauge: gauge, report: report)
        try check.checkManifests()
        // What a damaged manifest says of chunks would make damage of what is none.
        if isManifestTrusted { try check.checkChunks() }
        return check.report
    }

    private mutating func checkManifests() throws {
        for disk in folder.disks {
            let path = StoreLayout.disk(id, disk)
            do {
                let manifest = try store.readManifest(path, .disk).unverifiedDisk(disk)
                report.disks[disk] = manifest.attributes
                let needed =
                    [manifest.origin.root, manifest.state.root]
                    + manifest.checkpoints.prefix(1).map(\.slot)
                tellMissing(needed, disk: disk, size: manifest.state.size)
            } catch {
                try tell(error, .manifest, path, disk: disk)
            }
        }
        for snapshot in folder.snapshots {
            let path = StoreLayout.snapshot(id, snapshot)
            do {
                let manifest = try store.readManifest(path, .snapshot).unverifiedSnapshot(snapshot)
                report.snapshots[snapshot] = manifest.attributes
                tellMissing(
                    [manifest.state.root], snapshot: snapshot, size: manifest.state.size)
            } catch {
                try tell(error, .manifest, path, snapshot: snapshot)
            }
        }
        if folder.disks.isEmpty, folder.snapshots.isEmpty {
            report.findings.append(.emptyLineage(id))
        }
    }

    /// Chunks that a manifest names and that are not there.
    private mutating func tellMissing(
        _ addresses: [BlockAddress], disk: DiskID? = nil, snapshot: SnapshotID? = nil, size: UInt64
    ) {
        let missing = Set(addresses.filter { !$0.isHole }.map(\.chunk)).filter {
            folder.chunks[$0] == nil
        }
        for chunk in missing.sorted() {
            let path = StoreLayout.chunk(id, chunk)
            var finding = CheckFinding(
                .damage, .chunk, file: path, "the file is missing",
                advice: "Put \(path) back from a copy of the store.")
            (finding.disk, finding.snapshot, finding.length) = (disk, snapshot, size)
            report.findings.append(finding)
        }
    }

    private mutating func checkChunks() throws {
        report.chunks += folder.chunks.count
        let path = StoreLayout.lineageManifest(id)
        let manifest: LineageManifest
        do {
            manifest = try store.readManifest(path, .lineage).unverifiedLineage(id)
        } catch {
            return try tell(error, .manifest, path)
        }
        let table = SessionTable(manifest.sessions)
        for (number, length) in folder.chunks.sorted(by: { $0.key < $1.key }) {
            let path = StoreLayout.chunk(id, number)
            guard let owner = table.owner(of: number) else {
                report.findings.append(.unownedChunk(path))
                continue
            }
            do {
                let header = try store.openChunk(id, number).readHeader()
                    .unverified(of: id, number, suite: manifest.key.suite)
                guard
                    owner.number == header.session, owner.salt.bytes == header.salt,
                    length >= header.layout.fileSize
                else {
                    throw DiskError(
                        .damaged,
                        length < header.layout.fileSize
                            ? "the file has \(length) bytes instead of \(header.layout.fileSize)"
                            : "it is not of the session that owns its number")
                }
            } catch {
                try tell(error, .chunk, path)
            }
        }
    }

    private mutating func tell(
        _ error: any Error, _ kind: CheckFinding.Kind, _ path: String, disk: DiskID? = nil,
        snapshot: SnapshotID? = nil
    ) throws {
        try gauge.checkGoesOn()
        let cause = DiskError.wrap(error, while: "checking")
        guard [.damaged, .io].contains(cause.code) else { throw cause }
        var finding = CheckFinding(
            .damage, kind, file: path, cause.message,
            advice: "Put \(path) back from a copy of the store.")
        (finding.disk, finding.snapshot) = (disk, snapshot)
        report.findings.append(finding)
    }
}
