import DiskFormat

/// Counts the slots that one map reaches and no other of its lineage.
///
/// An address lies at one place of any map (a page's, a block's), so whatever has it has it there:
/// the map's pages are compared with those the others have at the same place, each once however
/// many share it, and what any of them has in common is passed over with all below it.
struct Exclusive {
    private let lineage: Lineage
    private let memory: MapMemory

    init(_ lineage: Lineage, memory: MapMemory) {
        self.lineage = lineage
        self.memory = memory
    }

    /// Pages and blocks that go if nothing but `others` is left.
    func count(from root: BlockAddress, besides others: Set<BlockAddress>) throws -> UInt64 {
        if root.isHole || others.contains(root) { return 0 }
        return try count(.root, at: root, besides: others)
    }

    private func count(_ id: PageID, at address: BlockAddress, besides others: Set<BlockAddress>)
        throws -> UInt64
    {
        let page = try read(id, at: address)
        let pages = try others.filter { !$0.isHole }.map { try read(id, at: $0) }
        var count: UInt64 = 1
        for entry in 0..<MapGeometry.fanOut where page.entries[entry] != 0 {
            let here = page.entries[entry]
            if pages.contains(where: { $0.entries[entry] == here }) { continue }
            if id.level == 0 {
                count += 1
            } else {
                let below = Set(pages.map { BlockAddress(rawValue: $0.entries[entry]) })
                count += try self.count(
                    id.child(entry), at: BlockAddress(rawValue: here), besides: below)
            }
        }
        return count
    }

    private func read(_ id: PageID, at address: BlockAddress) throws -> MapPage {
        memory.relieve()
        let page = MapPage(id, memory: memory)
        try lineage.readMapPage(page, at: address)
        return page
    }
}

extension Store {
    /// Bytes that the host would get back if this snapshot alone were deleted: blocks and map pages
    /// that no other snapshot, and no disk, reaches. Takes a time in proportion to what the others
    /// do not share with it. What an attached disk holds counts as of its last two checkpoints.
    ///
    /// Throws as `openSnapshot`.
    public func exclusiveBytes(of id: SnapshotID) throws -> UInt64 {
        let reader = try openSnapshot(id)  // neither it nor its key goes meanwhile
        defer { reader.close() }
        let lineage = reader.reader.lineage
        let bytes = try exclusiveBytes("snapshot \(id)", in: lineage) {
            (reader.reader.tree.rootAddress, try collectRoots(lineage, besides: id))
        }
        let now = environment.clock.now()
        monitor.withLock { catalogue.snapshots[id]?.exclusive = (bytes, now) }
        return bytes
    }

    /// The same of an attached disk, as of its last checkpoint. Throws `.keyRequired` if it is not
    /// attached.
    public func exclusiveBytes(of id: DiskID) throws -> UInt64 {
        guard let disk = attached(id) else {
            _ = try lineage(of: id)
            throw DiskError(
                .keyRequired, "what disk \(id) alone holds can be told while it is attached")
        }
        return try disk.unlockedOperation {
            let lineage = disk.lineage
            let bytes = try exclusiveBytes("disk \(id)", in: lineage) {
                let (manifest, _) = try verifiedDisk(id, in: lineage)
                return (manifest.state.root, try collectRoots(lineage, besidesDisk: id))
            }
            let now = environment.clock.now()
            monitor.withLock { catalogue.disks[id]?.exclusive = (bytes, now) }
            return bytes
        }
    }

    /// `look` gives the root in question and all others; it is called under `actions`.
    private func exclusiveBytes(
        _ what: String, in lineage: Lineage, _ look: () throws -> (root: BlockAddress, Roots)
    ) throws -> UInt64 {
        var earlier: (BlockAddress, Set<BlockAddress>)?
        for _ in 0..<5 {
            let (root, roots) = try actions.withLock { try look() }
            let others = roots.shared.union(roots.own)
            do {
                let count = try Exclusive(lineage, memory: memory).count(
                    from: root, besides: others)
                return count * UInt64(Format.blockSize)
            } catch {
                // Of a map that is no root any more a page may be gone: look at what is left.
                guard (error as? DiskError)?.code == .damaged,
                    earlier.map({ $0 != (root, others) }) ?? true
                else { throw DiskError.wrap(error, while: "comparing \(what) with all others") }
                earlier = (root, others)
            }
        }
        throw DiskError(
            .busy,
            "\(what) cannot be compared with all others while they change so fast; try again when"
                + " less is written")
    }
}
