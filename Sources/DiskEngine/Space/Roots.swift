import DiskFormat

/// What everything that lives in a lineage is reached from, and below which sequence each lane may
/// be given back.
struct Roots {
    /// Maps that several may share: of snapshots, of disks at their creation, of rollbacks.
    private(set) var shared: Set<BlockAddress> = []
    /// Maps of disks as their checkpoints have them.
    private(set) var own: Set<BlockAddress> = []
    private(set) var checkpoints: Set<BlockAddress> = []
    /// Per lane of a living disk: the first sequence that recovery may need.
    private(set) var protectedFrom: [UInt16: UInt32] = [:]
    /// Slots of the chunks that a lane's disk makes.
    private(set) var slotsPerChunk: [UInt16: Int] = [:]

    /// Throws if a state is of another history: then nothing can be told to be dead.
    mutating func add(_ manifest: DiskManifest, in lineage: Lineage) throws {
        for state in [manifest.origin] + [manifest.rollingBackTo].compactMap({ $0 }) {
            try lineage.check(state, of: manifest.id.text)
            shared.insert(state.root)
        }
        for checkpoint in manifest.checkpoints {
            try lineage.check(checkpoint.state, of: manifest.id.text)
            own.insert(checkpoint.state.root)
            checkpoints.insert(checkpoint.slot)
        }
        // Nothing at or after the replay-from of the older of its checkpoints (there is one only
        // after the first, or a rollback); without any, nothing at all.
        protectedFrom[manifest.lane] =
            manifest.checkpoints.last?.replayFrom.chunk.sequence ?? 0
        slotsPerChunk[manifest.lane] = Int(manifest.slotsPerChunk)
    }

    mutating func add(_ manifest: SnapshotManifest, in lineage: Lineage) throws {
        try lineage.check(manifest.state, of: manifest.id.text)
        shared.insert(manifest.state.root)
    }

    /// Whether no recovery needs the chunk.
    func isUnprotected(_ chunk: ChunkNumber) -> Bool {
        chunk.sequence < protectedFrom[chunk.lane] ?? .max
    }
}

extension Store {
    /// Called under `actions`. Every manifest is read and verified anew: nothing is given back on
    /// the word of one that is not authentic.
    ///
    /// `besides`, `besidesDisk`: the roots of everything but this snapshot, this disk.
    func collectRoots(
        _ lineage: Lineage, besides left: SnapshotID? = nil, besidesDisk leftDisk: DiskID? = nil
    ) throws -> Roots {
        // Not nil: it is wanted to the end.
        try collectRoots(lineage, besides: left, besidesDisk: leftDisk, while: { true })!
    }

    /// nil if it was not wanted any more before all were read: with many snapshots it takes long.
    func collectRoots(
        _ lineage: Lineage, besides left: SnapshotID? = nil, besidesDisk leftDisk: DiskID? = nil,
        while isWanted: () -> Bool
    ) throws -> Roots? {
        var roots = Roots()
        // As listed in the store, not in the catalogue: that leaves out what could not be read, and
        // what cannot be read now must end this, not be given back.
        for file in try sealed.list(StoreLayout.disks(lineage.id)) {
            guard let id = Self.id(file.name, DiskID.init), id != leftDisk else { continue }
            let path = StoreLayout.disk(lineage.id, id)
            try roots.add(
                sealed.readManifest(path, .disk).disk(id, with: lineage.keys).0, in: lineage)
        }
        for file in try sealed.list(StoreLayout.snapshots(lineage.id)) {
            guard isWanted() else { return nil }
            guard let id = Self.id(file.name, SnapshotID.init), id != left else { continue }
            try roots.add(verified(id, in: lineage), in: lineage)
        }
        return roots
    }
}
