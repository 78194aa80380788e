import DiskFormat

/// Verifies what a map leads to: its pages and blocks are read from the medium and opened, each by
/// itself where some are damaged, so that one bad block hides no other.
struct Scrub {
    /// A map of its own, of which nothing is in memory yet.
    let view: MapReader
    /// What needs no verifying, for it was: an older map of the lineage. nil: nothing.
    let base: MapReader?

    /// A place that did not open.
    struct Bad {
        /// What it keeps from being read.
        var blocks: Range<BlockNumber>
        /// nil: a block, or consecutive ones in consecutive slots.
        let page: PageID?
        let address: BlockAddress
        let error: DiskError
    }

    struct Piece {
        var verified: UInt64 = 0
        var bad: [Bad] = []
        /// nil: the end was reached.
        var next: BlockNumber?
    }

    /// Steps of one piece at most, each over a leaf or over what is equal to the base or a hole.
    private static let mostSteps = 65_536

    /// Verifies `blocks` in order, until `limit` of them were verified or found bad, those of one
    /// leaf more at most. Throws what is no damage, and `OlderMapFailure` if the base cannot be
    /// read.
    func piece(of blocks: Range<BlockNumber>, limit: UInt64) throws -> Piece {
        var piece = Piece()
        var block = blocks.lowerBound
        var steps = 0
        let diff = MapDiff(older: base, newer: view)
        while block < blocks.upperBound {
            if piece.verified >= limit || piece.bad.count >= 256 || steps == Self.mostSteps {
                piece.next = block
                return piece
            }
            steps += 1
            var changes: [MapChange] = []
            do {
                block = try diff.step(in: block..<blocks.upperBound, into: &changes)
            } catch let error as OlderMapFailure {
                throw error
            } catch {
                let bad = try badPage(above: block, error)
                piece.bad.append(bad)
                block = min(blocks.upperBound, bad.blocks.upperBound)
                continue
            }
            for change in changes where !change.isHole { try verify(change.blocks, &piece) }
        }
        return piece
    }

    /// The page that keeps `block` from being looked up: the highest that cannot be loaded.
    private func badPage(above block: BlockNumber, _ error: any Error) throws -> Bad {
        var above: (page: PageID, address: BlockAddress)?
        for level in (0...MapGeometry.rootLevel).reversed() {
            let page = PageID(level: level, covering: block)
            guard let address = try? view.address(of: page) else { break }
            above = (page, address)
        }
        guard let above else { throw error }
        return Bad(
            blocks: above.page.blocks, page: above.page, address: above.address,
            error: try Self.damage(error))
    }

    private func verify(_ blocks: Range<BlockNumber>, _ piece: inout Piece) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(blocks.count, Limits.blocksPerRun) * Format.blockSize, alignment: 4096)
        defer { buffer.deallocate() }
        var rest = blocks
        while !rest.isEmpty {
            let run = rest.prefix(Limits.blocksPerRun)
            try verify(run, buffer, &piece)
            rest = run.upperBound..<rest.upperBound
        }
    }

    /// Halves what does not open, down to single blocks.
    private func verify(
        _ run: Range<BlockNumber>, _ buffer: UnsafeMutableRawBufferPointer, _ piece: inout Piece
    ) throws {
        let part = UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<(run.count * Format.blockSize)])
        do {
            try view.monitor.withLock { try view.read(run, into: part) }
            piece.verified += UInt64(run.count)
        } catch {
            let damage = try Self.damage(error)
            guard run.count == 1 else {
                let middle = run.lowerBound + UInt64(run.count / 2)
                try verify(run.lowerBound..<middle, buffer, &piece)
                return try verify(middle..<run.upperBound, buffer, &piece)
            }
            try piece.add(run, at: view.address(ofBlock: run.lowerBound), damage)
        }
    }

    /// The error as damage to be told; throws those that are none: of keys, memory, descriptors.
    private static func damage(_ error: any Error) throws -> DiskError {
        let cause = DiskError.wrap(error, while: "verifying")
        guard [.damaged, .io].contains(cause.code) else { throw cause }
        return cause
    }
}

extension Scrub.Piece {
    /// Neighbours that lie side by side in one chunk are one finding.
    fileprivate mutating func add(
        _ blocks: Range<BlockNumber>, at address: BlockAddress, _ error: DiskError
    ) {
        if let last = bad.last, last.page == nil, last.blocks.upperBound == blocks.lowerBound,
            last.address.chunk == address.chunk,
            last.address.rawValue + UInt64(last.blocks.count) == address.rawValue
        {
            bad[bad.count - 1].blocks = last.blocks.lowerBound..<blocks.upperBound
            return
        }
        bad.append(.init(blocks: blocks, page: nil, address: address, error: error))
    }
}

extension MapReader {
    /// Where a block lies. Takes the lock; loads the pages above.
    func address(ofBlock block: BlockNumber) throws -> BlockAddress {
        try entries(ofLeaf: .leaf(of: block)).withUnsafeBufferPointer {
            BlockAddress(rawValue: $0[MapGeometry.entry(of: block, level: 0)])
        }
    }

    /// Whether the map leads to any of it, where it was found.
    func leads(to bad: Scrub.Bad) -> Bool {
        if let page = bad.page { return (try? address(of: page)) == bad.address }
        return bad.blocks.enumerated().contains { index, block in
            (try? address(ofBlock: block))?.rawValue == bad.address.rawValue + UInt64(index)
        }
    }
}
