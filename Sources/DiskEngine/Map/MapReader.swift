import DiskFormat
import Scheduling

/// A map together with the lock that guards it and the lineage that its pages are read from.
/// Disks and snapshots read through one alike.
final class MapReader: @unchecked Sendable {
    // @unchecked: `tree` is accessed under `monitor`.
    let monitor: Monitor
    let lineage: Lineage
    let tree: MapTree
    /// Whether it is to tell what the medium has, not what the host keeps of it in memory.
    let readsMedium: Bool

    init(tree: MapTree, monitor: Monitor, lineage: Lineage, readsMedium: Bool = false) {
        self.tree = tree
        self.monitor = monitor
        self.lineage = lineage
        self.readsMedium = readsMedium
        tree.memory.add(self)
    }

    deinit { tree.memory.remove(self) }

    var residentPages: Int { monitor.withLock { tree.pages.count } }

    func evict(atMost count: Int) {
        // Twice: the first look only takes note of who was not used since.
        monitor.withLock {
            tree.evict(atMost: count)
            tree.evict(atMost: count)
        }
    }

    /// Repeats `plan` (under the lock, which the caller holds) until it has every page it needs,
    /// loading each without the lock.
    func planned<R>(_ plan: (MapTree) throws -> MapTree.Step<R>) throws -> R {
        while true {
            switch try plan(tree) {
            case .done(let result): return result
            case .missing(let id, let address): try load(id, from: address)
            }
        }
    }

    /// Loads a page. If that fails but the page is no longer wanted from there, nothing is wrong:
    /// the caller's next plan decides. Called with the lock held, which is released meanwhile.
    private func load(_ id: PageID, from address: BlockAddress) throws {
        let page = MapPage(id, memory: tree.memory)
        // Resident: its entry is what said that the page is missing. It must not be evicted before
        // the page hangs below it, or two loads could undo each other for ever.
        tree.pages[id.parent]?.pins += 1
        defer { tree.pages[id.parent]?.pins -= 1 }
        do {
            try monitor.withoutLock {
                tree.memory.relieve()
                if readsMedium { try lineage.forget(1, from: address) }
                try lineage.readMapPage(page, at: address)
            }
        } catch {
            if case .missing(id, address) = tree.find(id) { throw error }
            return
        }
        tree.insert(page, from: address)
    }
}

extension MapReader {
    /// Reads whole blocks into `buffer`; holes read as zeros. Called under the lock, which is
    /// released for the I/O.
    ///
    /// Plan looks up the extents; perform reads and opens each in place. A slot that does not open
    /// is looked up again: only if no block of the extent has moved since is it damage.
    func read(_ blocks: Range<BlockNumber>, into buffer: UnsafeMutableRawBufferPointer) throws {
        var extents: [Extent] = []
        var block = blocks.lowerBound
        var failure: (block: BlockNumber, extent: Extent, error: any Error)?
        while block < blocks.upperBound {
            let rest = block..<blocks.upperBound
            try planned { $0.lookUp(rest, into: &extents) }
            if let failure, failure.block == block, let first = extents.first,
                first.address == failure.extent.address, first.count == failure.extent.count
            {
                throw failure.error
            }
            let (reached, failed) = monitor.withoutLock {
                read(extents, at: block, into: buffer, from: blocks.lowerBound)
            }
            block = reached
            failure = failed
        }
    }

    /// Perform: reads extents that begin at `block`; how far it came, and what stopped it. What was
    /// overwritten at random lies scattered: once one of them has to wait for the medium, all are
    /// fetched at the same time.
    private func read(
        _ extents: [Extent], at first: BlockNumber, into buffer: UnsafeMutableRawBufferPointer,
        from base: BlockNumber
    ) -> (BlockNumber, (block: BlockNumber, extent: Extent, error: any Error)?) {
        var block = first
        var isFetched = extents.count == 1
        for (index, extent) in extents.enumerated() {
            func fetchRest() {
                if isFetched { return }
                isFetched = true
                for next in extents[(index + 1)...] where !next.address.isHole {
                    lineage.prefetch(next.count, from: next.address)
                }
            }
            let offset = Int(block - base) * Format.blockSize
            let place = UnsafeMutableRawBufferPointer(
                rebasing: buffer[offset..<offset + extent.count * Format.blockSize])
            if extent.address.isHole {
                place.initializeMemory(as: UInt8.self, repeating: 0)
            } else {
                let start = block
                do {
                    if readsMedium { try lineage.forget(extent.count, from: extent.address) }
                    try lineage.read(
                        from: extent.address, into: place, beforeWaiting: fetchRest,
                        expecting: { .data(start + UInt64($0)) })
                } catch {
                    return (block, (block, extent, error))
                }
            }
            block += UInt64(extent.count)
        }
        return (block, nil)
    }

    /// First byte at or after `offset` that lies in a block with data (or in a hole), below `size`,
    /// which is whole blocks. Called under the lock.
    ///
    /// Takes a time proportional to the map pages it passes, needs one leaf in memory at a time,
    /// and lets others have the lock after each.
    func seek(toData: Bool, from offset: UInt64, size: UInt64) throws -> UInt64? {
        let blockSize = UInt64(Format.blockSize)
        let end = size / blockSize
        var block = min(offset, size) / blockSize
        while block < end {
            switch try planned({ $0.search(forData: toData, from: block) }) {
            case .found(let found):
                return found < end ? max(found * blockSize, offset) : nil
            case .notBefore(let next):
                block = next
                monitor.withoutLock {}
            }
        }
        return nil
    }
}
