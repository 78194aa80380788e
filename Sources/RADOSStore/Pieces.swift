import CRados
import ChunkStore
import Glibc

/// Bytes under an id in RADOS objects, as their placement says: a chunk may be longer than the
/// cluster lets an object be (128 MiB by default), and several hosts share the work.
///
/// A piece that is not there, and what lies behind the end of one, reads as zeros.
struct Pieces {
    /// 4 MiB, as RBD has it.
    static let size: UInt64 = 4 << 20
    /// Calls that a removal has under way at a time.
    private static let parallel = 32

    let session: Session
    let placement: Placement
    var id: String { placement.id }
    var length: UInt64 { placement.length }

    init(session: Session, _ placement: Placement) {
        self.session = session
        self.placement = placement
    }

    /// Of plain bytes.
    init(session: Session, id: String, length: UInt64) {
        self.init(session: session, Placement(id: id, length: length))
    }

    func parts(of range: Range<UInt64>) -> [Placement.Part] { placement.parts(of: range) }

    /// Precondition of this and the others: the range lies within the length.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, _ operation: String
    ) throws(StoreError) {
        for part in parts(of: offset..<(offset + UInt64(buffer.count))) {
            let target = UnsafeMutableRawBufferPointer(
                rebasing: buffer[part.start..<(part.start + part.count)])
            let code = session.rados.read(
                session.pool, part.object,
                target.baseAddress?.assumingMemoryBound(to: CChar.self), part.count, part.offset)
            if code == -ESHUTDOWN { session.end(session.whyTaken) }
            let found = code == -ENOENT ? 0 : Int(try check(code, operation))
            UnsafeMutableRawBufferPointer(rebasing: target[min(found, part.count)...])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    /// Precondition: they are no more than memory takes.
    func all(_ operation: String) throws(StoreError) -> [UInt8] {
        var failure: StoreError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(length)) { buffer, count in
            do throws(StoreError) {
                let whole = UnsafeMutableRawBufferPointer(
                    start: buffer.baseAddress, count: Int(length))
                try read(into: whole, at: 0, operation)
                count = Int(length)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    func write(
        _ buffer: UnsafeRawBufferPointer, at offset: UInt64, _ operation: String
    ) throws(StoreError) {
        for part in parts(of: offset..<(offset + UInt64(buffer.count))) {
            let bytes = buffer.baseAddress?.advanced(by: part.start)
            let code = try session.change(operation) {
                session.rados.write(
                    session.pool, part.object, bytes?.assumingMemoryBound(to: CChar.self),
                    part.count, part.offset)
            }
            try check(code, operation)
        }
    }

    /// Zeros from now on. Space comes back from pieces that lie in the range, from the ends of
    /// those that end in it (of a zeroing up to an object's end the cluster makes a truncation, and
    /// of one behind it nothing), and of others what the hosts of the cluster can free (BlueStore:
    /// its blocks of 4 KiB).
    func deallocate(_ range: Range<UInt64>, _ operation: String) throws(StoreError) {
        for part in parts(of: range) {
            let isWhole = UInt64(part.count) == placement.size(ofPiece: part.piece)
            let code: Int32
            if isWhole {
                code = try session.change(operation) {
                    session.rados.remove(session.pool, part.object)
                }
            } else {
                let change = WriteOperation(session)
                change.zero(at: part.offset, length: UInt64(part.count))
                code = try change.run(on: part.object, operation)
            }
            if code != -ENOENT { try check(code, operation) }
        }
    }

    /// Every piece at its full length, of zeros where nothing is written. The cluster counts that
    /// against the pool's quota and its fill now, and not again what is written within it; of its
    /// disks it takes only what is written.
    func allocate(_ operation: String) throws(StoreError) {
        try inParallel(operation) { completion, piece in
            let change = WriteOperation(session)
            change.createIfMissing()
            change.truncate(placement.size(ofPiece: piece))
            return change.start(on: placement.object(piece), completion)
        }
    }

    func remove(_ operation: String) throws(StoreError) {
        try inParallel(operation) { completion, piece in
            session.rados.aio_remove(session.pool, placement.object(piece), completion)
        }
    }

    /// A change of each piece; one that is not there may be missing.
    private func inParallel(
        _ operation: String, _ start: (rados_completion_t, UInt64) -> Int32
    ) throws(StoreError) {
        let count = placement.pieceCount
        for first in stride(from: 0, to: count, by: Self.parallel) {
            let some = first..<min(first + UInt64(Self.parallel), count)
            for code in try started(some, start) where code != -ENOENT {
                try check(try session.change(operation) { code }, operation)
            }
        }
    }

    /// Of each piece the bytes that lie before the end of what was written to it.
    func sizes(_ operation: String) throws(StoreError) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        for piece in 0..<placement.pieceCount {
            var (size, time) = (UInt64(0), time_t(0))
            let code = session.rados.stat(session.pool, placement.object(piece), &size, &time)
            if code == -ENOENT { continue }
            try check(code, operation)
            for part in placement.parts(ofPiece: piece) where size > part.offset {
                let end = part.position + min(size - part.offset, UInt64(part.count))
                found.append(part.position..<end)
            }
        }
        return found
    }

    /// Starts a call for each piece and waits for them all; what each returned.
    private func started(
        _ pieces: Range<UInt64>, _ start: (rados_completion_t, UInt64) -> Int32
    ) throws(StoreError) -> [Int32] {
        try session.checkStanding("change the pieces of \(id)")
        var codes: [Int32] = []
        var running: [rados_completion_t] = []
        for piece in pieces {
            var completion: rados_completion_t?
            guard session.rados.aio_create_completion2(nil, nil, &completion) == 0,
                let completion
            else {
                codes.append(-ENOMEM)
                continue
            }
            let code = start(completion, piece)
            if code == 0 {
                running.append(completion)
            } else {
                codes.append(code)
                session.rados.aio_release(completion)
            }
        }
        for completion in running {
            _ = session.rados.aio_wait_for_complete(completion)
            codes.append(session.rados.aio_get_return_value(completion))
            session.rados.aio_release(completion)
        }
        return codes
    }
}
