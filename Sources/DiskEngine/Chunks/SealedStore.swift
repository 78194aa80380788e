import ChunkStore
import DiskFormat

/// The engine's only way to storage. What goes in was sealed (`SealedRun`, `SealedHeader`,
/// `SealedManifest`); what comes out must be opened (`UnopenedRun`, `UnopenedHeader`,
/// `UnopenedManifest`). Plaintext cannot be written by mistake: there is no call that takes it.
final class SealedStore: Sendable {
    private let files: any ChunkStore
    let reserve: SpaceReserve

    init(_ files: any ChunkStore, reserve: SpaceReserve) {
        self.files = files
        self.reserve = reserve
    }

    // MARK: Chunks

    /// Whether a chunk that is made of a dead one costs less than a new one. A store of whole
    /// objects has to delete the dead one first, and whoever writes waits for that.
    var gainsBySpares: Bool { files.chunkKind == .appendable }

    /// A new chunk with its header, all of it durable; or none.
    func createChunk(
        _ lineage: LineageID, _ number: ChunkNumber, layout: ChunkLayout, header: SealedHeader
    ) throws(StoreError) -> SealedChunkFile {
        let name = Self.name(StoreLayout.chunk(lineage, number))
        return SealedChunkFile(
            try files.createFile(name, length: layout.fileSize, beginning: header.bytes),
            layout: layout)
    }

    /// The same out of the file of a dead chunk of the same layout. Blank is its slot table; what
    /// its bodies hold was sealed under another key, and no entry speaks of it.
    func recycleChunk(
        _ lineage: LineageID, _ dead: ChunkNumber, as number: ChunkNumber, layout: ChunkLayout,
        header: SealedHeader
    ) throws(StoreError) -> SealedChunkFile {
        SealedChunkFile(
            try files.recycleFile(
                Self.name(StoreLayout.chunk(lineage, dead)),
                as: Self.name(StoreLayout.chunk(lineage, number)), length: layout.fileSize,
                beginning: header.bytes, blank: layout.bodiesOffset),
            layout: layout)
    }

    /// The file of a chunk whose layout its header will tell.
    func openChunk(_ lineage: LineageID, _ number: ChunkNumber) throws(StoreError)
        -> UnidentifiedChunkFile
    {
        UnidentifiedChunkFile(
            file: try files.openFile(Self.name(StoreLayout.chunk(lineage, number))))
    }

    /// Durably. No error if it is not there.
    func removeChunk(_ lineage: LineageID, _ number: ChunkNumber) throws(StoreError) {
        do {
            try files.remove(Self.name(StoreLayout.chunk(lineage, number)))
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    /// The sequences of the chunks in a lane, ascending.
    func sequences(_ lineage: LineageID, lane: UInt16) throws(StoreError) -> [UInt32] {
        let folder = StoreLayout.lane(lineage, lane)
        var found: [UInt32] = []
        for group in try files.list(Self.name(folder)) where group.isFolder {
            for file in try files.list(Self.name("\(folder)/\(group.name)")) {
                if let sequence = StoreLayout.sequence(ofChunkNamed: file.name) {
                    found.append(sequence)
                }
            }
        }
        return found.sorted()
    }

    /// The lanes that have a folder, ascending.
    func lanes(_ lineage: LineageID) throws(StoreError) -> [UInt16] {
        try files.list(Self.name(StoreLayout.chunks(lineage)))
            .compactMap { StoreLayout.lane(named: $0.name) }.sorted()
    }

    // MARK: Manifests

    func readManifest(_ path: String, _ kind: ManifestHeader.Kind) throws(StoreError)
        -> UnopenedManifest
    {
        UnopenedManifest(bytes: try files.readObject(Self.name(path), limit: kind.maximumSize))
    }

    /// From the reserve if there is no other space: freeing a full store takes manifests too.
    /// `isSelfContained`: it says nothing more of what chunks hold than the one that it replaces.
    func replaceManifest(
        _ path: String, with manifest: SealedManifest, isSelfContained: Bool = false
    ) throws {
        func replace() throws(StoreError) {
            let (name, bytes) = (Self.name(path), manifest.bytes)
            _ =
                isSelfContained
                ? try files.replaceSelfContainedObject(name, with: bytes, if: .always)
                : try files.replaceObject(name, with: bytes, if: .always)
        }
        do {
            try replace()
        } catch {
            guard error.code == .noSpace else { throw error }
            try reserve.lend(replace)
        }
    }

    /// See `ChunkStore.awaitLull`.
    func awaitLull(while isWanted: () -> Bool) { files.awaitLull(while: isWanted) }

    /// How things of the account belong together, in the clear: it holds no content. Throws
    /// `StoreError`, `FormatError`.
    func readAccount(store: String) throws -> (record: AccountRecord, version: ObjectVersion?) {
        let object = try files.readVersioned(
            Self.name(StoreLayout.account), limit: AccountRecord.byteLimit + 128)
        return (try AccountRecord(decoding: object.bytes, store: store), object.version)
    }

    /// From the reserve if there is no other space: a disk of a full store is detached, too. Throws
    /// `StoreError`, `CryptoError`; `FormatError` `.limit` for one that is too large.
    func replaceAccount(
        _ record: AccountRecord, if condition: ReplaceCondition = .always
    ) throws {
        let (name, bytes) = (Self.name(StoreLayout.account), try record.encoded())
        do {
            _ = try files.replaceObject(name, with: bytes, if: condition)
        } catch {
            guard error.code == .noSpace else { throw error }
            try reserve.lend { _ = try files.replaceObject(name, with: bytes, if: condition) }
        }
    }

    /// A size asked for while the disk's key is not here: of a lineage, the one thing stored
    /// unauthenticated.
    func replacePendingSize(_ path: String, with pending: PendingSize) throws(StoreError) {
        try files.replaceObject(Self.name(path), with: pending.encoded())
    }

    /// nil if there is none, or nothing that makes sense.
    func readPendingSize(_ path: String) throws -> PendingSize? {
        let saysNothing: Set<StoreError.Code> = [.notFound, .tooLarge, .foreign]
        do {
            return try PendingSize(decoding: files.readObject(Self.name(path), limit: 4096))
        } catch let error as StoreError where !saysNothing.contains(error.code) {
            throw error
        } catch {
            return nil
        }
    }

    func remove(_ path: String) throws(StoreError) { try files.remove(Self.name(path)) }
    func removeIfThere(_ path: String) throws(StoreError) {
        do {
            try remove(path)
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    /// Says durably that nothing of a lineage counts: not yet, or no more. On a full store too.
    func markDeleted(_ lineage: LineageID) throws {
        let name = Self.name(StoreLayout.deletionMark(lineage))
        do {
            try files.replaceObject(name, with: [])
        } catch {
            guard error.code == .noSpace else { throw error }
            try reserve.lend { try files.replaceObject(name, with: []) }
        }
    }

    /// Removes a lineage that is marked: the wrapped key first, so that nothing can be decrypted
    /// any more, and the mark last, so that whatever an interruption leaves is still marked.
    func removeMarked(_ lineage: LineageID) throws(StoreError) {
        try removeIfThere(StoreLayout.lineageManifest(lineage))
        try removeFolder(StoreLayout.disks(lineage))
        try removeFolder(StoreLayout.snapshots(lineage))
        try removeFolder(StoreLayout.chunks(lineage))
        try removeIfThere(StoreLayout.reclaimMark(lineage))
        try removeIfThere(StoreLayout.deletionMark(lineage))
        try removeFolder(StoreLayout.lineage(lineage))
    }

    func isMarkedDeleted(_ lineage: LineageID) throws(StoreError) -> Bool {
        try files.list(Self.name(StoreLayout.lineage(lineage))).contains {
            $0.name == StoreLayout.deletionMarkName
        }
    }

    func removeFolder(_ path: String) throws(StoreError) { try files.removeFolder(Self.name(path)) }
    func list(_ path: String) throws(StoreError) -> [StoreEntry] {
        try files.list(Self.name(path))
    }

    /// Notes that something of a lineage waits to be given back. A hint: failing costs time only.
    func markReclaimable(_ lineage: LineageID) {
        try? files.replaceObject(Self.name(StoreLayout.reclaimMark(lineage)), with: [])
    }

    func unmarkReclaimable(_ lineage: LineageID) {
        try? removeIfThere(StoreLayout.reclaimMark(lineage))
    }

    func isMarkedReclaimable(_ lineage: LineageID) -> Bool {
        let name = Self.name(StoreLayout.reclaimMark(lineage))
        return (try? files.readObject(name, limit: 16)) != nil
    }

    // MARK: The medium

    func capacity() throws(StoreError) -> StoreCapacity { try files.capacity() }

    private static func name(_ path: String) -> ObjectName {
        // StoreLayout builds paths of ids and hexadecimal numbers, which are always valid names.
        ObjectName(path)!
    }
}

/// A chunk file whose header was not yet opened: only its header can be read.
struct UnidentifiedChunkFile {
    fileprivate let file: any ChunkFile

    func readHeader() throws(StoreError) -> UnopenedHeader {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: ChunkLayout.headerSize, alignment: 8)
        defer { buffer.deallocate() }
        let count = try file.read(into: buffer, at: 0)
        return UnopenedHeader(bytes: Array(buffer[..<count]))
    }

    func identified(as layout: ChunkLayout) -> SealedChunkFile {
        SealedChunkFile(file, layout: layout)
    }
}

/// The file of one chunk: slots in, slots out.
final class SealedChunkFile: Sendable {
    let layout: ChunkLayout
    private let file: any ChunkFile

    fileprivate init(_ file: any ChunkFile, layout: ChunkLayout) {
        self.file = file
        self.layout = layout
    }

    /// Bodies first, then entries: on a medium that keeps this order no entry stands without its
    /// body in a process that is killed in between. Where one does, it is of a slot that nobody
    /// was told of: the log ends before it.
    func write(_ run: SealedRun) throws(StoreError) {
        let place = layout.entryOffset(of: run.firstSlot)
        guard run.hasBodies else { return try file.write(run.entryBytes, at: place) }
        try file.write(
            run.bodyBytes, at: layout.bodyOffset(of: run.firstSlot),
            with: run.entryBytes, at: place)
    }

    /// Writes zeros where slots will come that were never written: they stay blank. Precondition:
    /// nobody writes to them meanwhile.
    func writeBlank(_ slots: Range<UInt32>) throws(StoreError) {
        try Self.writeZeros(
            to: file,
            layout.bodyOffset(of: slots.lowerBound)..<layout.bodyOffset(of: slots.upperBound))
        try Self.writeZeros(
            to: file,
            layout.entryOffset(of: slots.lowerBound)..<layout.entryOffset(of: slots.upperBound))
    }

    private static func writeZeros(to file: any ChunkFile, _ range: Range<UInt64>)
        throws(StoreError)
    {
        let zeros = UnsafeMutableRawBufferPointer.allocate(
            byteCount: range.count, alignment: Format.blockSize)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        try file.write(UnsafeRawBufferPointer(zeros), at: range.lowerBound)
    }

    /// Reads consecutive slots into the caller's memory. What lies beyond the end of the file reads
    /// as zeros, which no suite accepts as a slot. `beforeWaiting` is called if it has to wait for
    /// the medium; entries and bodies are fetched at the same time then, and of a medium far away
    /// the entries around them: the next read in this chunk waits for its bodies alone.
    func read(
        from slot: UInt32, entries: UnsafeMutableRawBufferPointer,
        bodies: UnsafeMutableRawBufferPointer, beforeWaiting: () -> Void = {}
    ) throws(StoreError) -> UnopenedRun {
        let place = layout.bodyOffset(of: slot)
        try fill(entries, at: layout.entryOffset(of: slot)) {
            file.prefetch(at: place, length: UInt64(bodies.count))
            prefetchUnit(
                around: layout.entryOffset(of: slot),
                within: layout.tableOffset..<layout.bodiesOffset)
            beforeWaiting()
        }
        try fill(bodies, at: place, beforeWaiting: beforeWaiting)
        return UnopenedRun(firstSlot: slot, entries: entries, bodies: bodies)
    }

    /// Bodies that are fetched together. A medium takes hardly longer for 16 KiB than for 4, and
    /// who reads in order what was overwritten at random comes back for the neighbours: half as
    /// much again is read in a second.
    private static let neighbours: UInt32 = 4

    /// A hint: the slots are read soon.
    func prefetch(_ count: Int, from slot: UInt32) {
        file.prefetch(
            at: layout.entryOffset(of: slot), length: UInt64(count * Format.entrySize))
        let first = slot / Self.neighbours * Self.neighbours
        let last = (slot + UInt32(count) - 1) / Self.neighbours * Self.neighbours
        let end = min(last + Self.neighbours, layout.slotCount)
        file.prefetch(
            at: layout.bodyOffset(of: first), length: UInt64(end - first) * UInt64(Format.blockSize)
        )
    }

    /// A hint: much of what lies beside the slot is read some time. Only a medium far away is asked
    /// for it.
    func prefetchNeighbours(of slot: UInt32) {
        prefetchUnit(
            around: layout.bodyOffset(of: slot), within: layout.bodiesOffset..<layout.fileSize)
    }

    private func prefetchUnit(around offset: UInt64, within part: Range<UInt64>) {
        let unit = file.readUnit
        guard unit > 0 else { return }
        let start = part.lowerBound + (offset - part.lowerBound) / unit * unit
        file.prefetch(at: start, length: min(unit, part.upperBound - start))
    }

    /// A hint: the next read of the slots is to tell what the medium has.
    func forget(_ count: Int, from slot: UInt32) {
        file.forget(at: layout.entryOffset(of: slot), length: UInt64(count * Format.entrySize))
        file.forget(at: layout.bodyOffset(of: slot), length: UInt64(count * Format.blockSize))
    }

    /// The first slot from `slot` up to the chunk's end whose entry holds anything; nil if there is
    /// none. Reads entries alone: a body without its entry is no slot, and reading the bodies of
    /// what was never written would fill the page cache with zeros.
    func firstUsedSlot(from slot: UInt32) throws(StoreError) -> UInt32? {
        let most = 2048
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: most * Format.entrySize, alignment: 64)
        defer { buffer.deallocate() }
        var slot = slot
        while slot < layout.slotCount {
            let count = min(most, Int(layout.slotCount - slot))
            let entries = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<(count * Format.entrySize)])
            try fill(entries, at: layout.entryOffset(of: slot))
            if let used = entries.firstIndex(where: { $0 != 0 }) {
                return slot + UInt32(used / Format.entrySize)
            }
            slot += UInt32(count)
        }
        return nil
    }

    private func fill(
        _ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64,
        beforeWaiting: () -> Void = {}
    ) throws(StoreError) {
        let count = try file.read(into: buffer, at: offset, beforeWaiting: beforeWaiting)
        if count < buffer.count {
            UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    func synchronize() throws(StoreError) { try file.synchronize() }
    func dropCache() throws(StoreError) { try file.dropCache() }

    /// Gives back the bodies of slots, and the pages of the slot table that hold entries of these
    /// slots alone. They are blank from then on.
    func deallocate(_ slots: Range<Int>) throws(StoreError) {
        let (first, end) = (UInt32(slots.lowerBound), UInt32(slots.upperBound))
        let bodies = layout.bodyOffset(of: first)
        try file.deallocate(at: bodies, length: layout.bodyOffset(of: end) - bodies)
        let perPage = Format.blockSize / Format.entrySize
        let firstPage = (slots.lowerBound + perPage - 1) / perPage
        let pages = firstPage..<max(firstPage, slots.upperBound / perPage)
        if !pages.isEmpty {
            try file.deallocate(
                at: layout.tableOffset + UInt64(pages.lowerBound * Format.blockSize),
                length: UInt64(pages.count * Format.blockSize))
        }
    }

    /// Bytes of the host that the file takes.
    func allocated() throws(StoreError) -> UInt64 { try file.size().allocated }

    /// Gives back the bodies from `slot` to the end of the chunk.
    func deallocateTail(from slot: UInt32) throws(StoreError) {
        let start = layout.bodyOffset(of: slot)
        if start < layout.fileSize {
            try file.deallocate(at: start, length: layout.fileSize - start)
        }
    }
}
