import DiskFormat
import Scheduling

/// What a snapshot has that another does not, open for reading as ciphertext: the bytes of an
/// incremental sealed file, made as they are read, the same each time. It keeps both snapshots from
/// being deleted until `close()`.
///
/// A stream: where a frame begins depends on all before it. Reading on is cheap, reading again what
/// lies before the present frame begins from the first.
public final class SealedDifferenceReader: @unchecked Sendable {
    // @unchecked: `place` is accessed under `monitor`; the rest is constant.
    public var id: SnapshotID { snapshot.id }
    private let snapshot: SnapshotReader
    public var base: SnapshotID { older.id }
    private let older: SnapshotReader
    private let header: [UInt8]
    private let assembler: FrameAssembler
    private let monitor: Monitor
    private var place: Place

    /// A frame, and the walk behind its last item.
    private struct Place {
        var walk: SealedItemWalk
        var number: UInt64 = 0
        /// Where the frame begins in the file; that of the first, if none was made yet.
        var start = UInt64(SealedGeometry.pageSize)
        var frame: SealedFrame?
        var isLast = false
    }

    /// Both are closed with the reader. Throws `.invalid` if they are not of one lineage.
    init(_ snapshot: SnapshotReader, since base: SnapshotReader, store: String) throws {
        guard snapshot.reader.lineage === base.reader.lineage, snapshot.id != base.id else {
            throw DiskError(
                .invalid,
                "snapshot \(snapshot.id) cannot be told as the difference to \(base.id): take an"
                    + " earlier snapshot of the same disk, or of one it was made from")
        }
        self.snapshot = snapshot
        older = base
        (header, assembler) = try FrameAssembler.sealing(snapshot, since: base, in: store)
        monitor = snapshot.reader.lineage.environment.threads.makeMonitor()
        place = Self.beginning(snapshot, base)
    }

    private static func beginning(_ snapshot: SnapshotReader, _ base: SnapshotReader) -> Place {
        Place(
            walk: SealedItemWalk(
                MapDiff(older: base.reader, newer: snapshot.reader), from: 0,
                below: snapshot.size / UInt64(Format.blockSize)))
    }

    /// Fills `buffer` with the file's bytes from `offset` on, and returns how many they are: fewer
    /// than it has room for only at the end. Throws `.damaged`, `.io`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws -> Int {
        do {
            return try monitor.withLock {
                var done = 0
                while done < buffer.count {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
                    let count = try readPiece(into: rest, at: offset + UInt64(done))
                    if count == 0 { break }
                    done += count
                }
                return done
            }
        } catch let failure as OlderMapFailure {
            throw older.located(failure.cause, "comparing with snapshot \(base)")
        } catch {
            throw snapshot.located(error, "reading the sealed snapshot \(id) at byte \(offset)")
        }
    }

    /// Ends the reader. Idempotent.
    public func close() {
        snapshot.close()
        older.close()
    }

    /// Reads up to the end of the header or of one frame; 0 at the end. Called under the lock,
    /// which readers of one stream share for as long as a frame takes.
    private func readPiece(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws
        -> Int
    {
        guard offset >= UInt64(header.count) else {
            return header.withUnsafeBytes { Self.copy($0, from: Int(offset), to: buffer) }
        }
        if offset < place.start { place = Self.beginning(snapshot, older) }
        while true {
            if let frame = place.frame {
                let end = place.start + UInt64(frame.bytes.count)
                if offset < end {
                    return Self.copy(
                        UnsafeRawBufferPointer(frame.bytes), from: Int(offset - place.start),
                        to: buffer)
                }
                if place.isLast { return 0 }
            }
            place = try next(after: place)
        }
    }

    private func next(after place: Place) throws -> Place {
        var next = place
        if let frame = place.frame {
            next.number += 1
            next.start += UInt64(frame.bytes.count)
        }
        var runs: [MapChange] = []
        _ = try next.walk.pass(SealedGeometry.itemsPerFrame) { runs.append($0) }
        var probe = next.walk
        next.isLast = try probe.pass(atMost: 1) == nil
        guard let number = FrameNumber(next.number) else {
            throw DiskError(.damaged, "its map has more blocks than any disk")
        }
        next.frame = try assembler.frame(number, of: runs, isLast: next.isLast)
        return next
    }

    private static func copy(
        _ bytes: UnsafeRawBufferPointer, from start: Int, to buffer: UnsafeMutableRawBufferPointer
    ) -> Int {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[start...].prefix(buffer.count))
        buffer.copyMemory(from: piece)
        return piece.count
    }
}

extension Store {
    /// Opens the difference of a snapshot to an earlier one of its lineage for reading as
    /// ciphertext: as `openSealedSnapshot`. Throws `.invalid`, too, if they have nothing in common.
    public func openSealedDifference(of id: SnapshotID, since base: SnapshotID) throws
        -> SealedDifferenceReader
    {
        let snapshot = try openSnapshot(id)
        do {
            let older = try openSnapshot(base)
            do {
                return try SealedDifferenceReader(
                    snapshot, since: older, store: identity.storeID)
            } catch {
                older.close()
                throw error
            }
        } catch {
            snapshot.close()
            throw DiskError.wrap(
                error, while: "opening the sealed difference of \(id) to \(base)")
        }
    }
}
