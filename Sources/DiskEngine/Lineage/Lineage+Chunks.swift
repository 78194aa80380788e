import ChunkStore
import CryptoPrimitives
import DiskFormat

// Opening chunks, and reading what their slots hold.
extension Lineage {
    /// The chunk, opened if need be: header verified against the session record that owns it.
    func chunk(_ number: ChunkNumber) throws -> OpenChunk {
        if let chunk = chunks.find(number) { return chunk }
        let chunk = try openAside(number)
        chunks.insert(chunk)
        return chunk
    }

    /// The chunk, opened for who asks alone.
    func openAside(_ number: ChunkNumber) throws -> OpenChunk {
        let (header, file) = try openHeader(number)
        return OpenChunk(number: number, file: file, cipher: try cipher(for: header))
    }

    /// A chunk's cipher; if there is no locked memory for its key, other chunks give up theirs.
    func cipher(for header: ChunkHeader) throws -> ChunkCipher {
        do {
            return try budget.relieving(
                when: { $0.code == .lockedMemory },
                { () throws(CryptoError) in
                    try keys.cipher(forChunk: header.number, salt: header.salt)
                })
        } catch {
            throw DiskError.wrap(error, while: "opening chunk \(header.number) of lineage \(id)")
        }
    }

    /// A chunk's verified header and its file. Throws `.damaged` if the header is not authentic, or
    /// not of the session that owns the number.
    func openHeader(_ number: ChunkNumber) throws -> (ChunkHeader, SealedChunkFile) {
        let place = "chunk \(number) of lineage \(id)"
        do {
            let file = try store.openChunk(id, number)
            let header = try file.readHeader().open(with: keys, expecting: number)
            let owner = try session(owning: number)
            guard owner.stamp == SessionStamp(number: header.session, salt: HexBytes(header.salt))
            else {
                throw DiskError(.damaged, "\(place) is not of the session that owns its number")
            }
            return (header, file.identified(as: header.layout))
        } catch {
            throw DiskError.wrap(error, while: "opening \(place)")
                .met(in: StoreLayout.chunk(id, number))
        }
    }

    /// Reads `bodies.count / 4096` consecutive slots from `address` on and opens them in place.
    /// Throws `.damaged`, naming chunk and slot, if one is not what `expecting` says.
    /// `beforeWaiting` is called if it has to wait for the medium, before it does.
    func read(
        from address: BlockAddress, into bodies: UnsafeMutableRawBufferPointer,
        beforeWaiting: () -> Void = {}, expecting: (Int) -> ExpectedSlot
    ) throws {
        try read(
            from: address, of: chunk(address.chunk), into: bodies, beforeWaiting: beforeWaiting,
            expecting: expecting)
    }

    /// A hint: these slots are read soon. Of chunks that are open.
    func prefetch(_ count: Int, from address: BlockAddress) {
        guard let chunk = chunks.find(address.chunk),
            Int(address.slot) + count <= Int(chunk.file.layout.slotCount)
        else { return }
        chunk.file.prefetch(count, from: address.slot)
    }

    /// A hint: the next read of these slots is to tell what the medium has.
    func forget(_ count: Int, from address: BlockAddress) throws {
        let chunk = try chunk(address.chunk)
        guard Int(address.slot) + count <= Int(chunk.file.layout.slotCount) else { return }
        chunk.file.forget(count, from: address.slot)
    }

    /// `read` of a chunk that is open already.
    func read(
        from address: BlockAddress, of chunk: OpenChunk,
        into bodies: UnsafeMutableRawBufferPointer, beforeWaiting: () -> Void = {},
        expecting: (Int) -> ExpectedSlot
    ) throws {
        let count = bodies.count / Format.blockSize
        guard Int(address.slot) + count <= Int(chunk.file.layout.slotCount) else {
            throw DiskError(.damaged, "address \(address) lies outside its chunk")
        }
        do {
            try withUnsafeTemporaryAllocation(
                byteCount: count * Format.entrySize, alignment: 8
            ) { entries in
                let run = try chunk.file.read(
                    from: address.slot, entries: entries, bodies: bodies,
                    beforeWaiting: beforeWaiting)
                if let bad = try chunk.cipher.open(run, expecting: expecting) {
                    bodies.initializeMemory(as: UInt8.self, repeating: 0)
                    throw DiskError(
                        .damaged,
                        "chunk \(chunk.number) of lineage \(id): slot \(Int(address.slot) + bad) is"
                            + " not what was sealed there")
                }
            }
        } catch {
            // Another file may be put in its place: the next read looks.
            chunks.remove(chunk.number)
            throw DiskError.wrap(error, while: "reading chunk \(chunk.number) of lineage \(id)")
                .met(in: StoreLayout.chunk(id, chunk.number))
        }
    }

    /// Reads one map page. What it names was the page's session's, or an earlier one's. A
    /// checkpoint writes pages side by side: those beside it are wanted as soon.
    func readMapPage(_ page: MapPage, at address: BlockAddress) throws {
        try read(
            from: address, into: page.bytes,
            beforeWaiting: {
                chunks.find(address.chunk)?.file.prefetchNeighbours(of: address.slot)
            },
            expecting: { _ in .mapPage(level: page.id.level, index: page.id.index) })
        try checkAddresses(in: page.entries, at: address)
    }

    /// Reads the record in a checkpoint slot.
    func readCheckpoint(at address: BlockAddress) throws -> CheckpointRecord {
        let body = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Format.blockSize, alignment: 4096)
        defer { body.deallocate() }
        try read(from: address, into: body) { _ in .checkpoint }
        do {
            return try CheckpointRecord(decoding: UnsafeRawBufferPointer(body))
        } catch {
            throw DiskError.wrap(error, while: "reading the checkpoint at \(address)")
        }
    }
}
