import ChunkStore
import DiskFormat

/// Verifies all that a lineage whose key is here holds. What is found is gathered, never thrown:
/// what is thrown keeps the check itself from going on (memory, descriptors, an interruption).
final class LineageCheck {
    let lineage: Lineage
    let folder: StoreFolder.LineageFolder
    let memory: MapMemory
    let gauge: CheckGauge
    var report: CheckReport
    /// Chunk files that are not what they were, and why; nothing in them may be needed.
    private(set) var badChunks: [ChunkNumber: String] = [:]
    var maps: [CheckedMap] = []
    /// Places that were told.
    var told: Set<BlockAddress> = []
    /// Findings, by their index, in what maps lead to.
    var affected: [(index: Int, bad: Scrub.Bad)] = []
    var diskManifests: [DiskID: DiskManifest] = [:]
    var snapshotManifests: [SnapshotID: SnapshotManifest] = [:]

    init(
        _ lineage: Lineage, _ folder: StoreFolder.LineageFolder, memory: MapMemory,
        gauge: CheckGauge, into report: CheckReport
    ) {
        self.lineage = lineage
        self.folder = folder
        self.memory = memory
        self.gauge = gauge
        self.report = report
    }

    /// The report with all that was found in the lineage.
    func run() throws -> CheckReport {
        let before = report.findings.count
        try readManifests()
        try checkChunks()
        try checkSnapshots()
        for (_, manifest) in diskManifests.sorted(by: { $0.key < $1.key }) {
            try checkDisk(manifest)
        }
        try nameOthers()
        tellMissingDisks()
        tellUnneededChunks(besides: before)
        advise(from: before)
        return report
    }

    func path(_ chunk: ChunkNumber) -> String { StoreLayout.chunk(lineage.id, chunk) }

    /// The error as damage to be told; throws those that are none.
    func damage(_ error: any Error) throws -> DiskError {
        try gauge.checkGoesOn()
        let cause = DiskError.wrap(error, while: "checking")
        guard [.damaged, .io].contains(cause.code) else { throw cause }
        return cause
    }

    // MARK: Manifests

    private func readManifests() throws {
        for id in folder.disks {
            let path = StoreLayout.disk(lineage.id, id)
            do {
                let manifest = try lineage.store.readManifest(path, .disk)
                    .disk(id, with: lineage.keys).0
                report.disks[id] = manifest.attributes
                if let incoming = manifest.incoming {
                    tellImport(of: incoming, path)
                } else {
                    diskManifests[id] = manifest
                }
            } catch {
                var finding = CheckFinding(
                    .damage, .manifest, file: path, try damage(error).message)
                finding.disk = id
                report.findings.append(finding)
            }
        }
        for id in folder.snapshots {
            let path = StoreLayout.snapshot(lineage.id, id)
            do {
                let manifest = try lineage.store.readManifest(path, .snapshot)
                    .snapshot(id, with: lineage.keys).0
                report.snapshots[id] = manifest.attributes
                snapshotManifests[id] = manifest
            } catch {
                var finding = CheckFinding(
                    .damage, .manifest, file: path, try damage(error).message)
                finding.snapshot = id
                report.findings.append(finding)
            }
        }
        if folder.disks.isEmpty, folder.snapshots.isEmpty {
            report.findings.append(.emptyLineage(lineage.id))
        }
    }

    /// Nothing lists the disks of a lineage but their manifests. A disk that was deleted leaves the
    /// chunks that snapshots need, and for a while, which is marked, the others. (A snapshot whose
    /// manifest is gone leaves no trace.)
    private func tellMissingDisks() {
        guard !folder.waits else { return }
        let there = Set(folder.disks)
        var unneeded: [DiskID: Int] = [:]
        for number in folder.chunks.keys where !gauge.wasNeeded(path(number)) {
            if let owner = lineage.table.owner(of: number), !there.contains(owner.disk) {
                unneeded[owner.disk, default: 0] += 1
            }
        }
        for (disk, count) in unneeded.sorted(by: { $0.key < $1.key }) {
            let path = StoreLayout.disk(lineage.id, disk)
            var finding = CheckFinding(
                .warning, .manifest, file: path,
                "there are \(count) chunk files of this disk that no snapshot needs, and no"
                    + " manifest",
                advice: "If the disk was not deleted, put \(path) back from a copy of the store"
                    + " before anything of this lineage is attached: that gives them back.")
            finding.disk = disk
            report.findings.append(finding)
        }
    }

    private func tellImport(of snapshot: SnapshotID, _ path: String) {
        report.findings.append(
            CheckFinding(
                .note, .stray, file: path, "the import of snapshot \(snapshot) is not finished",
                advice: "Repeat the import; it goes on where it was interrupted."))
    }

    // MARK: Chunk files

    private func checkChunks() throws {
        report.chunks += folder.chunks.count
        for (number, length) in folder.chunks.sorted(by: { $0.key < $1.key }) {
            guard lineage.table.owner(of: number) != nil else {
                report.findings.append(.unownedChunk(path(number)))
                continue
            }
            do {
                let size = try lineage.openHeader(number).0.layout.fileSize
                if length < size {
                    badChunks[number] = "the file has \(length) bytes instead of \(size)"
                }
            } catch {
                badChunks[number] = try damage(error).message
            }
        }
    }

    /// Chunk files that are damaged as a whole and that nothing which was verified leads into.
    /// Those that are needed are told with what cannot be read.
    private func tellUnneededChunks(besides before: Int) {
        var needed = Set(report.findings[before...].map(\.file))
        for (number, cause) in badChunks.sorted(by: { $0.key < $1.key }) {
            guard needed.insert(path(number)).inserted else { continue }
            report.findings.append(
                CheckFinding(
                    .warning, .chunk, file: path(number),
                    "\(cause); no disk and no snapshot that could be verified needs it",
                    advice: "Put it back from a copy of the store, or leave it: it is removed when"
                        + " space is given back."))
        }
        for index in report.findings.indices.dropFirst(before) {
            let bad = badChunks.first { path($0.key) == report.findings[index].file }
            if let cause = bad?.value, !report.findings[index].cause.contains(cause) {
                report.findings[index].cause += " (\(cause))"
            }
        }
    }
}

extension CheckFinding {
    static func emptyLineage(_ id: LineageID) -> CheckFinding {
        CheckFinding(
            .damage, .manifest, file: StoreLayout.lineage(id),
            "it has no disk and no snapshot: their manifests are missing",
            advice: "Put its disks and snapshots folders back from a copy of the store, or remove"
                + " the folder.")
    }

    static func unownedChunk(_ path: String) -> CheckFinding {
        CheckFinding(
            .note, .stray, file: path, "no session of its lineage was ever given this number",
            advice: "If lineage.manifest was put back from a copy, put back the newest there is."
                + " Else remove the file: nothing leads to it.")
    }
}
