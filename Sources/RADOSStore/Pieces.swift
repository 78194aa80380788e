import CRados
import ChunkStore
import Glibc

/// Bytes under an id, in RADOS objects of `size` each, the last one shorter: a chunk may be longer
/// than the cluster lets an object be (128 MiB by default), and several hosts share the work.
///
/// A piece that is not there, and what lies behind the end of one, reads as zeros. 4 MiB,
/// as RBD has it.
struct Pieces {
    static let size: UInt64 = 4 << 20
    /// Calls that a removal has under way at a time.
    private static let parallel = 32

    let session: Session
    let id: String
    let length: UInt64

    /// One piece's share of a range.
    struct Part {
        let object: String
        /// Within the piece, within the bytes, and within the range.
        let offset: UInt64
        let position: UInt64
        let start: Int
        let count: Int
        let isWholePiece: Bool
    }

    func parts(of range: Range<UInt64>) -> [Part] {
        var parts: [Part] = []
        var position = range.lowerBound
        while position < range.upperBound {
            let number = position / Self.size
            let end = min(range.upperBound, (number + 1) * Self.size)
            let isWhole =
                position == number * Self.size
                && (end == (number + 1) * Self.size || end == length)
            parts.append(
                Part(
                    object: object(number), offset: position % Self.size, position: position,
                    start: Int(position - range.lowerBound), count: Int(end - position),
                    isWholePiece: isWhole))
            position = end
        }
        return parts
    }

    private func object(_ number: UInt64) -> String { "c/\(id)/\(number)" }

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

    /// Zeros from now on. Space comes back from pieces that lie in the range, and of others what
    /// the hosts of the cluster can free (BlueStore: its blocks of 4 KiB).
    func deallocate(_ range: Range<UInt64>, _ operation: String) throws(StoreError) {
        for part in parts(of: range) {
            let code: Int32
            if part.isWholePiece {
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
        try inParallel(operation) { completion, part in
            let change = WriteOperation(session)
            change.createIfMissing()
            change.truncate(UInt64(part.count))
            return change.start(on: part.object, completion)
        }
    }

    func remove(_ operation: String) throws(StoreError) {
        try inParallel(operation) { completion, part in
            session.rados.aio_remove(session.pool, part.object, completion)
        }
    }

    /// A change of each piece; one that is not there may be missing.
    private func inParallel(
        _ operation: String, _ start: (rados_completion_t, Part) -> Int32
    ) throws(StoreError) {
        let all = parts(of: 0..<length)
        for first in stride(from: 0, to: all.count, by: Self.parallel) {
            let some = all[first..<min(first + Self.parallel, all.count)]
            for code in try started(some, start) where code != -ENOENT {
                try check(try session.change(operation) { code }, operation)
            }
        }
    }

    /// Bytes of each piece up to the end of what was written to it.
    func sizes(_ operation: String) throws(StoreError) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        for part in parts(of: 0..<length) {
            var (size, time) = (UInt64(0), time_t(0))
            let code = session.rados.stat(session.pool, part.object, &size, &time)
            if code == -ENOENT { continue }
            try check(code, operation)
            found.append(part.position..<(part.position + min(size, UInt64(part.count))))
        }
        return found
    }

    /// Starts a call for each part and waits for them all; what each returned.
    private func started(
        _ parts: ArraySlice<Part>, _ start: (rados_completion_t, Part) -> Int32
    ) throws(StoreError) -> [Int32] {
        try session.checkStanding("change the pieces of \(id)")
        var codes: [Int32] = []
        var running: [rados_completion_t] = []
        for part in parts {
            var completion: rados_completion_t?
            guard session.rados.aio_create_completion2(nil, nil, &completion) == 0,
                let completion
            else {
                codes.append(-ENOMEM)
                continue
            }
            let code = start(completion, part)
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
