import DiskFormat
import Scheduling

// Verifying disks and snapshots while they are in use, piece by piece: whoever asks decides how
// fast, and goes on later from where a piece ended. Nothing is kept between two pieces.
extension Store {
    /// Verifies what is stored of an attached disk, as of its last checkpoint, from byte `offset`
    /// on, about `limit` bytes of it; with `base`, a snapshot, only what that does not have. From
    /// the beginning on its checkpoints' records too. What is found is noted for the disk.
    ///
    /// Throws `.keyRequired` if it is not attached, `.invalid` if `base` is of another lineage.
    public func scrub(
        _ id: DiskID, since base: SnapshotID? = nil, from offset: UInt64 = 0, limit: UInt64
    ) throws -> ScrubResult {
        guard let disk = attached(id) else {
            _ = try lineage(of: id)
            throw DiskError(.keyRequired, "disk \(id) can be verified while it is attached")
        }
        return try scrubWork.counting {
            try disk.unlockedOperation {
                let older = try base.map { try openSnapshot($0) }
                defer { older?.close() }
                try demandKinship(older, disk.lineage)
                let (piece, size) = try disk.scrub(since: older, from: offset, limit: limit)
                let records = offset == 0 ? disk.badCheckpoints() : []
                for bad in piece.bad { disk.noteDamage(bad) }
                return result(
                    piece, below: size, of: disk.lineage, besides: .disk(id), records: records)
            }
        }
    }

    /// The same of a snapshot.
    ///
    /// Throws as `openSnapshot`, `.invalid` if `base` is of another lineage.
    public func scrub(
        _ id: SnapshotID, since base: SnapshotID? = nil, from offset: UInt64 = 0, limit: UInt64
    ) throws -> ScrubResult {
        let snapshot = try openSnapshot(id)
        defer { snapshot.close() }
        let older = try base.map { try openSnapshot($0) }
        defer { older?.close() }
        let lineage = snapshot.reader.lineage
        try demandKinship(older, lineage)
        let state = snapshot.manifest.state
        return try scrubWork.counting {
            let piece = try lineage.scrub(
                state, since: older, blocks(from: offset, below: state.size), limit, memory)
            for bad in piece.bad {
                _ = snapshot.located(bad.error, "verifying snapshot \(id) at byte \(bad.offset)")
            }
            return result(
                piece, below: state.size, of: lineage, besides: .snapshot(id), records: [])
        }
    }

    private enum Subject: Equatable {
        case disk(DiskID)
        case snapshot(SnapshotID)
    }

    private func demandKinship(_ base: SnapshotReader?, _ lineage: Lineage) throws {
        guard let base, base.reader.lineage !== lineage else { return }
        throw DiskError(
            .invalid,
            "snapshot \(base.id) is of another lineage, and has nothing in common with it; leave it"
                + " out")
    }

    private func result(
        _ piece: Scrub.Piece, below size: UInt64, of lineage: Lineage, besides subject: Subject,
        records: [ScrubFinding]
    ) -> ScrubResult {
        let block = UInt64(Format.blockSize)
        let found = piece.bad.isEmpty ? [] : findings(piece.bad, size, in: lineage, subject)
        return ScrubResult(
            verifiedBytes: piece.verified * block, findings: records + found,
            next: piece.next.map { $0 * block })
    }

    /// With whoever else leads to them: a look at every map of the lineage for each.
    private func findings(
        _ bad: [Scrub.Bad], _ size: UInt64, in lineage: Lineage, _ subject: Subject
    ) -> [ScrubFinding] {
        let snapshots = monitor.withLock {
            catalogue.snapshots.values.filter { $0.lineage == lineage.id }.map(\.manifest.id)
        }
        var of: [[SnapshotID]] = bad.map { _ in [] }
        for id in snapshots.sorted() where subject != .snapshot(id) {
            guard let snapshot = try? openSnapshot(id) else { continue }
            defer { snapshot.close() }
            for index in bad.indices where snapshot.reader.leads(to: bad[index]) {
                of[index].append(id)
            }
        }
        let disks = attachedDisks().filter { $0.lineage === lineage && subject != .disk($0.id) }
        return zip(bad, of).map { bad, snapshots in
            let end = min(size, bad.blocks.upperBound * UInt64(Format.blockSize))
            return ScrubFinding(
                kind: bad.page == nil ? .data : .map, offset: bad.offset, length: end - bad.offset,
                chunkFile: StoreLayout.chunk(lineage.id, bad.address.chunk),
                cause: bad.error.message, snapshots: snapshots,
                disks: disks.filter { $0.reader.leads(to: bad) }.map(\.id))
        }
    }
}

extension Scrub.Bad {
    /// Where what it keeps from being read begins, in bytes.
    fileprivate var offset: UInt64 { blocks.lowerBound * UInt64(Format.blockSize) }
}

private func blocks(from offset: UInt64, below size: UInt64) -> Range<BlockNumber> {
    let end = size / UInt64(Format.blockSize)
    return min(offset / UInt64(Format.blockSize), end)..<end
}

extension Lineage {
    /// Verifies a part of a state's map, by way of a map of its own.
    fileprivate func scrub(
        _ state: DiskState, since base: SnapshotReader?, _ blocks: Range<BlockNumber>,
        _ limit: UInt64, _ memory: MapMemory
    ) throws -> Scrub.Piece {
        let tree = MapTree(root: state.root, storedBlocks: state.storedBlocks, memory: memory)
        let view = MapReader(
            tree: tree, monitor: environment.threads.makeMonitor(), lineage: self,
            readsMedium: true)
        do {
            return try Scrub(view: view, base: base?.reader)
                .piece(of: blocks, limit: max(1, limit / UInt64(Format.blockSize)))
        } catch let failure as OlderMapFailure {
            // What the base does not tell counts as new.
            guard base != nil else { throw failure.cause }
            return try scrub(state, since: nil, blocks, limit, memory)
        }
    }
}

extension Disk {
    /// The map as the store has it. What it leads to may be given back while it is looked at, once
    /// newer checkpoints are there: what the disk does not lead to any more is no damage.
    fileprivate func scrub(since base: SnapshotReader?, from offset: UInt64, limit: UInt64) throws
        -> (Scrub.Piece, size: UInt64)
    {
        let state = monitor.withLock { manifest.state }
        var piece = try lineage.scrub(
            state, since: base, blocks(from: offset, below: state.size), limit, map.memory)
        piece.bad.removeAll { !reader.leads(to: $0) }
        return (piece, state.size)
    }

    /// Records of checkpoints that recovery could not use.
    fileprivate func badCheckpoints() -> [ScrubFinding] {
        monitor.withLock { manifest.checkpoints.map(\.slot) }.compactMap { slot in
            do {
                try lineage.forget(1, from: slot)
                _ = try lineage.readCheckpoint(at: slot)
                return nil
            } catch {
                // A checkpoint made meanwhile may have let it go.
                let isKept = monitor.withLock { manifest.checkpoints.contains { $0.slot == slot } }
                guard isKept else { return nil }
                return ScrubFinding(
                    kind: .checkpoint, offset: 0, length: 0,
                    chunkFile: StoreLayout.chunk(lineage.id, slot.chunk),
                    cause: DiskError.wrap(error, while: "verifying").message, snapshots: [],
                    disks: [])
            }
        }
    }

    fileprivate func noteDamage(_ bad: Scrub.Bad) {
        monitor.withLock { _ = located(bad.error, at: bad.offset, "verifying") }
    }
}
