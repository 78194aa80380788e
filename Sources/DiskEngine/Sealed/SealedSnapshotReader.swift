import CryptoPrimitives
import DiskFormat
import Scheduling

/// A snapshot, open for reading as ciphertext: the bytes of its sealed file, made as they are read.
/// They are a function of the snapshot alone, the same on each read. It keeps the snapshot from
/// being deleted until `close()`.
///
/// Every frame but the last is full, so where one begins in the file follows from its number. Where
/// its items begin in the map is found by walking the map's leaves in order, once (`FrameStarts`).
public final class SealedSnapshotReader: @unchecked Sendable {
    // @unchecked: `starts` is accessed under `monitor`; the rest is constant.
    public var id: SnapshotID { snapshot.id }
    /// Bytes of the sealed file.
    public let size: UInt64
    private let snapshot: SnapshotReader
    /// The file's first page.
    private let header: [UInt8]
    private let assembler: FrameAssembler
    private let cache: FrameCache
    private let monitor: Monitor
    private var starts = FrameStarts()
    private let digest: RunningDigest

    /// `store` is this one's id. The snapshot is closed with the reader.
    /// `onDigest` is told the file's digest once all of it was read in order.
    init(
        _ snapshot: SnapshotReader, store: String, onDigest: @escaping @Sendable ([UInt8]) -> Void
    ) throws {
        let lineage = snapshot.reader.lineage
        self.snapshot = snapshot
        (header, assembler) = try FrameAssembler.sealing(snapshot, since: nil, in: store)
        size = SealedGeometry.fileSize(blocks: snapshot.manifest.state.storedBlocks)
        cache = FrameCache(threads: lineage.environment.threads)
        monitor = lineage.environment.threads.makeMonitor()
        digest = try RunningDigest(header, threads: lineage.environment.threads, onDigest)
    }

    /// Fills `buffer` with the file's bytes from `offset` on, and returns how many they are: fewer
    /// than it has room for at the end, 0 behind it. Any number of threads may read at once.
    ///
    /// A frame (508 KiB) is made as a whole. One that lies far behind all that was read so far
    /// needs the map walked up to it. Throws `.damaged`, `.io`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        guard offset < size else { return 0 }
        let count = Int(min(UInt64(buffer.count), size - offset))
        do {
            var done = 0
            while done < count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<count])
                done += try readPiece(into: rest, at: offset + UInt64(done))
            }
        } catch {
            throw snapshot.located(error, "reading the sealed snapshot \(id) at byte \(offset)")
        }
        return count
    }

    /// Ends the reader. Idempotent.
    public func close() { snapshot.close() }

    /// Reads up to the end of the header or of one frame.
    private func readPiece(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws
        -> Int
    {
        guard offset >= UInt64(header.count) else {
            return header.withUnsafeBytes { copy($0, from: Int(offset), to: buffer) }
        }
        let (index, start) = (offset - UInt64(header.count))
            .quotientAndRemainder(dividingBy: UInt64(SealedGeometry.maximumFrameSize))
        let number = FrameNumber(index)!  // within the file, whose frames all have numbers
        let frame = try cache.frame(number) { try makeFrame(number) }
        return copy(UnsafeRawBufferPointer(frame.bytes), from: Int(start), to: buffer)
    }

    private func copy(
        _ bytes: UnsafeRawBufferPointer, from start: Int, to buffer: UnsafeMutableRawBufferPointer
    ) -> Int {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[start...].prefix(buffer.count))
        buffer.copyMemory(from: piece)
        return piece.count
    }

    private func makeFrame(_ number: FrameNumber) throws -> SealedFrame {
        let stored = snapshot.manifest.state.storedBlocks
        let before = number.rawValue * UInt64(SealedGeometry.itemsPerFrame)
        let items = Int(min(UInt64(SealedGeometry.itemsPerFrame), stored - before))
        let isLast = before + UInt64(items) == stored
        var walk = try walk(to: number)
        var runs: [MapChange] = []
        guard try walk.pass(items, { runs.append($0) }) == items else { throw miscounted("fewer") }
        if isLast {
            guard try walk.pass(atMost: 1) == nil else { throw miscounted("more") }
        } else {
            monitor.withLock { starts.expect(number.rawValue + 1, at: walk.position) }
        }
        let frame = try assembler.frame(number, of: runs, isLast: isLast)
        digest.add(frame, number.rawValue, isLast: isLast)
        return frame
    }

    /// A walk that stands at the frame's first item.
    private func walk(to number: FrameNumber) throws -> SealedItemWalk {
        let nearest = monitor.withLock { starts.nearest(to: number.rawValue) }
        var walk = SealedItemWalk(
            MapDiff(older: nil, newer: snapshot.reader), from: nearest.block,
            below: snapshot.size / UInt64(Format.blockSize))
        for frame in nearest.frame..<number.rawValue {
            guard
                try walk.pass(SealedGeometry.itemsPerFrame) == SealedGeometry.itemsPerFrame
            else { throw miscounted("fewer") }
            monitor.withLock { starts.pass(frame + 1, at: walk.position) }
        }
        return walk
    }

    private func miscounted(_ found: String) -> DiskError {
        DiskError(
            .damaged,
            "its map has \(found) blocks than the \(snapshot.manifest.state.storedBlocks) that its"
                + " manifest tells")
    }
}

extension Store {
    /// Opens a snapshot for reading as ciphertext. Its key must be in memory all the same, and it
    /// is kept from deletion: as `openSnapshot`, which says what is thrown.
    public func openSealedSnapshot(_ id: SnapshotID) throws -> SealedSnapshotReader {
        let snapshot = try openSnapshot(id)
        do {
            return try SealedSnapshotReader(snapshot, store: identity.storeID) { [self] digest in
                monitor.withLock { catalogue.snapshots[id]?.digest = digest }
            }
        } catch {
            snapshot.close()
            throw DiskError.wrap(error, while: "opening the sealed snapshot \(id)")
        }
    }
}
