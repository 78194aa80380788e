import DiskFormat

// A disk is verified as its next attach would find it: from its newest checkpoint that can be read,
// with the log behind it. The log's slots are all opened to find its end, so of what it replays
// only the places are kept: what it has written anew is no damage of the disk any more.
extension LineageCheck {
    func checkDisk(_ manifest: DiskManifest) throws {
        let isUsable = try checkCheckpoints(of: manifest)
        if let map = try isUsable ? recover(manifest) : nil {
            maps.append(map)
            try scrub(map, base: newestSnapshot(of: manifest.id))
        }
        guard !manifest.origin.root.isHole else { return }
        do {
            try lineage.check(manifest.origin, of: "disk \(manifest.id) as it was created")
            let origin = CheckedMap(
                .origin(manifest.id), root: manifest.origin.root, size: manifest.origin.size,
                storedBlocks: manifest.origin.storedBlocks, in: lineage, memory)
            maps.append(origin)
            let source = manifest.sourceSnapshot
            try scrub(origin, base: source.flatMap { id in map(of: .snapshot(id)) })
        } catch let error as DiskError {
            try tellState(error, manifest.origin, .warning, disk: manifest.id)
        }
    }

    func map(of subject: CheckedMap.Subject) -> MapReader? {
        maps.first { $0.subject == subject }?.reader
    }

    private func newestSnapshot(of disk: DiskID) -> MapReader? {
        snapshotManifests.values.filter { $0.disk == disk }.sorted { $0.isBefore($1) }.last
            .flatMap { map(of: .snapshot($0.id)) }
    }

    /// Whether recovery has anything to begin with.
    private func checkCheckpoints(of manifest: DiskManifest) throws -> Bool {
        let recovery = Recovery(lineage: lineage, manifest: manifest, memory: memory)
        var bad: [(file: String, cause: String)] = []
        for (index, reference) in manifest.checkpoints.enumerated() {
            do {
                try recovery.verify(reference)
            } catch {
                let error = try damage(error)
                let isRecord = (try? lineage.readCheckpoint(at: reference.slot)) == nil
                let place = isRecord ? reference.slot : reference.state.root
                told.insert(place)
                let which = index == 0 ? "newest" : "older"
                bad.append(
                    (path(place.chunk), "its \(which) checkpoint is damaged: \(error.message)"))
            }
        }
        let isUsable = manifest.checkpoints.isEmpty || bad.count < manifest.checkpoints.count
        for (file, cause) in bad {
            var finding = CheckFinding(
                isUsable ? .warning : .damage, .checkpoint, file: file,
                isUsable ? "\(cause); the other one does, with the log behind it" : cause)
            finding.disk = manifest.id
            if !isUsable { finding.length = manifest.state.size }
            report.findings.append(finding)
        }
        return isUsable
    }

    /// The disk's last state, or, if the log behind its checkpoint is damaged, the checkpoint's.
    private func recover(_ manifest: DiskManifest) throws -> CheckedMap? {
        do {
            let recovered = try Recovery(lineage: lineage, manifest: manifest, memory: memory).run()
            try gauge.checkGoesOn()
            let tree = recovered.reader.tree
            return CheckedMap(
                .disk(manifest.id), root: tree.rootAddress, size: recovered.size,
                storedBlocks: tree.storedBlocks, overwritten: try overwritten(recovered.replay),
                in: lineage, memory)
        } catch {
            try tellLog(try damage(error), manifest)
        }
        let recovery = Recovery(lineage: lineage, manifest: manifest, memory: memory)
        let readable = manifest.checkpoints.first { (try? recovery.verify($0)) != nil }
        guard let state = readable?.state else { return nil }
        return CheckedMap(
            .disk(manifest.id), root: state.root, size: state.size,
            storedBlocks: state.storedBlocks, in: lineage, memory)
    }

    private func overwritten(_ replay: Replay?) throws -> [Range<BlockNumber>] {
        guard let replay else { return [] }
        var ranges: [Range<BlockNumber>] = []
        _ = try replay.scan.run(from: replay.start) { address, descriptor, _ in
            guard address.rawValue >= replay.cut.rawValue,
                [.data, .discard].contains(descriptor.kind)
            else { return }
            let blocks = descriptor.index..<descriptor.index + descriptor.length
            // Neighbours are joined as they come, so a log in order takes no memory.
            if let last = ranges.last, last.upperBound == blocks.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<blocks.upperBound
            } else {
                ranges.append(blocks)
            }
        }
        return ranges.united()
    }

    /// Damage that keeps a disk from being attached.
    private func tellLog(_ error: DiskError, _ manifest: DiskManifest) throws {
        var file = StoreLayout.disk(lineage.id, manifest.id)
        var cause = error.message
        let start = manifest.checkpoints.first?.replayFrom.chunk
        let suspect =
            (error.cause as? DamagedChunk)?.number
            ?? badChunks.keys.filter { $0.lane == manifest.lane && start ?? $0 <= $0 }.min()
        if let suspect {
            file = path(suspect)
            // A chunk that is missing shows in the one behind it.
            let before = (try? lineage.openHeader(suspect))?.0.predecessor?.chunk
            if let before, folder.chunks[before] == nil, start ?? before <= before {
                file = path(before)
                cause = "the file is missing: \(cause)"
            }
        }
        var finding = CheckFinding(.damage, .log, file: file, cause)
        finding.disk = manifest.id
        finding.length = manifest.state.size
        report.findings.append(finding)
    }

    // MARK: Snapshots

    /// Of each disk its snapshots, oldest first, each but for what the one before it has.
    func checkSnapshots() throws {
        var last: [DiskID: MapReader] = [:]
        for manifest in snapshotManifests.values.sorted(by: { $0.isBefore($1) }) {
            do {
                try lineage.check(manifest.state, of: "snapshot \(manifest.id)")
                let map = CheckedMap(
                    .snapshot(manifest.id), root: manifest.state.root, size: manifest.state.size,
                    storedBlocks: manifest.state.storedBlocks, in: lineage, memory)
                maps.append(map)
                try scrub(map, base: last[manifest.disk])
                last[manifest.disk] = map.reader
            } catch let error as DiskError {
                try tellState(error, manifest.state, .damage, snapshot: manifest.id)
            }
        }
    }

    /// A state of another history of the lineage.
    private func tellState(
        _ error: DiskError, _ state: DiskState, _ severity: CheckFinding.Severity,
        disk: DiskID? = nil, snapshot: SnapshotID? = nil
    ) throws {
        let file =
            disk.map { StoreLayout.disk(lineage.id, $0) }
            ?? snapshot.map { StoreLayout.snapshot(lineage.id, $0) } ?? ""
        var finding = CheckFinding(severity, .manifest, file: file, try damage(error).message)
        finding.disk = disk
        finding.snapshot = snapshot
        finding.length = state.size
        report.findings.append(finding)
    }
}

extension SnapshotManifest {
    fileprivate func isBefore(_ other: SnapshotManifest) -> Bool {
        (created, order ?? 0, id) < (other.created, other.order ?? 0, other.id)
    }
}
