import DiskFormat
import Scheduling

/// What an attach begins with: the state of a disk's last checkpoint, and what is to be replayed
/// onto it.
struct RecoveredDisk {
    /// The map, with the only monitor it is ever accessed under.
    let reader: MapReader
    let size: UInt64
    /// Where the log ends; nil if there is none.
    let end: LogPosition?
    /// Of the newest checkpoint, or 0.
    let generation: UInt64
    /// The changes since the checkpoint; nil if there are none.
    let replay: Replay?
}

/// Finds a disk's last state and the log behind it, from its newest usable checkpoint on.
///
/// A complete checkpoint met on the way replaces the state, and replay continues from its cut:
/// this is how a rollback, a resize or a checkpoint that the manifest does not name yet takes
/// effect. Checkpoints are complete where they stand, because the log up to them is.
///
/// The log is read to its end before any of it is replayed: only then is the last state known. What
/// is to be replayed is read once more for that (`Disk.replay`), so no list of it is ever kept.
struct Recovery {
    let lineage: Lineage
    let manifest: DiskManifest
    let memory: MapMemory

    func run() throws -> RecoveredDisk {
        let (checkpoint, unreadable) = try usableCheckpoint()
        if checkpoint == nil { try lineage.check(manifest.origin, of: "disk \(manifest.id)") }
        var scan = LogScan(
            lineage: lineage, disk: manifest.id, sessions: lineage.sessions(of: manifest.id),
            existing: try existingChunks())
        if let unreadable {
            scan.passOver = [unreadable.slot, unreadable.state.root]
        }
        var last = LastState(
            lineage: lineage, state: checkpoint?.state ?? manifest.origin,
            generation: checkpoint?.generation ?? 0)
        let end = try scan.run(from: checkpoint?.replayFrom) { address, descriptor, body in
            // A checkpoint whose root cannot be read is no state to go on from.
            if address == unreadable?.slot { return }
            try last.visit(address, descriptor, body, disk: manifest.id)
        }
        // Also when the older checkpoint stands in: a log that ends before the newest one would
        // give an old disk.
        let newest = manifest.checkpoints.first
        if let newest {
            guard let end,
                BlockAddress(chunk: end.chunk, slot: 0).rawValue + UInt64(end.slot)
                    > newest.slot.rawValue
            else {
                throw DiskError(
                    .damaged,
                    "disk \(manifest.id): its log ends before its checkpoint at \(newest.slot)",
                    cause: DamagedChunk(number: end?.chunk ?? newest.slot.chunk))
            }
        }
        let map = MapTree(
            root: last.state.root, storedBlocks: last.state.storedBlocks, memory: memory)
        scan.knownEnd = end
        return RecoveredDisk(
            reader: MapReader(
                tree: map, monitor: lineage.environment.threads.makeMonitor(), lineage: lineage),
            // Sizes only grow but by a rollback, after which no older checkpoint stands in.
            size: max(last.state.size, unreadable?.state.size ?? 0), end: end,
            generation: max(last.generation, newest?.generation ?? 0),
            replay: last.hasChanges
                ? Replay(scan: scan, start: checkpoint?.replayFrom, cut: last.cut) : nil)
    }

    private func existingChunks() throws -> [UInt32] {
        do {
            return try lineage.store.sequences(lineage.id, lane: manifest.lane)
        } catch {
            throw DiskError.wrap(error, while: "listing the chunks of disk \(manifest.id)")
        }
    }

    /// The newest durable checkpoint that can be read, and the newer one that cannot, if so:
    /// because it is damaged or because the medium does not give it. That never yields an older
    /// disk: the log is replayed from the older one to behind the newest, or the attach fails.
    private func usableCheckpoint() throws -> (CheckpointReference?, CheckpointReference?) {
        guard let newest = manifest.checkpoints.first else { return (nil, nil) }
        do {
            try verify(newest)
            return (newest, nil)
        } catch let error as DiskError where error.code == .damaged || error.code == .io {
            guard let older = manifest.checkpoints.dropFirst().first else { throw error }
            do {
                try verify(older)
            } catch let second {
                let second = DiskError.wrap(second, while: "reading the older checkpoint")
                // What the medium does not give today it may give tomorrow.
                throw DiskError(
                    error.code == .io || second.code == .io ? .io : .damaged,
                    "disk \(manifest.id): neither of its checkpoints can be read: \(error);"
                        + " \(second)",
                    cause: error)
            }
            return (older, newest)
        }
    }

    /// Throws what keeps recovery from beginning with this checkpoint.
    func verify(_ reference: CheckpointReference) throws {
        let record = try lineage.readCheckpoint(at: reference.slot)
        let state = reference.state
        guard record.disk == manifest.id, record.generation == reference.generation,
            record.root == state.root, record.size == state.size,
            record.storedBlocks == state.storedBlocks, record.replayFrom == reference.replayFrom
        else {
            throw DiskError(
                .damaged, "disk \(manifest.id): its checkpoint is not the one its manifest names")
        }
        try lineage.check(state, of: "the checkpoint of disk \(manifest.id)")
        if !state.root.isHole {
            try lineage.readMapPage(MapPage(.root, memory: memory), at: state.root)
        }
    }
}

/// The last state that a log holds, and whether anything changed since its cut.
private struct LastState {
    let lineage: Lineage
    var state: DiskState
    var generation: UInt64
    /// Changes below it are in the state.
    var cut = BlockAddress.hole
    private var lastChange: BlockAddress?

    init(lineage: Lineage, state: DiskState, generation: UInt64) {
        self.lineage = lineage
        self.state = state
        self.generation = generation
    }

    var hasChanges: Bool { lastChange.map { $0.rawValue >= cut.rawValue } ?? false }

    mutating func visit(
        _ address: BlockAddress, _ descriptor: SlotDescriptor, _ body: UnsafeRawBufferPointer,
        disk: DiskID
    ) throws {
        switch descriptor.kind {
        case .data, .discard: lastChange = address
        case .mapPage, .void: break
        case .checkpoint:
            let record = try CheckpointRecord(decoding: body)
            guard record.disk == disk else {
                throw DiskError(.damaged, "disk \(disk): the checkpoint at \(address) is another's")
            }
            guard record.generation > generation else { return }
            generation = record.generation
            state = DiskState(
                root: record.root, size: record.size, storedBlocks: record.storedBlocks,
                session: try lineage.stamp(ofRoot: record.root))
            guard try state.session?.number ?? 0 <= lineage.session(owning: address.chunk).number
            else {
                throw DiskError(
                    .damaged,
                    "disk \(disk): the checkpoint at \(address) names a session after its own")
            }
            // One lane, and addresses grow along its log. A cut never lies behind its checkpoint.
            let from = record.replayFrom
            let raw = BlockAddress(chunk: from.chunk, slot: 0).rawValue + UInt64(from.slot)
            cut = BlockAddress(rawValue: max(cut.rawValue, min(raw, address.rawValue)))
        }
    }
}
