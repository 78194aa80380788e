import CRados
import Glibc

/// A read of one piece that is under way. The memory lives until librados is done with it: the
/// callback has a reference of its own.
final class Prefetch: @unchecked Sendable {
    // @unchecked: the buffer is librados' until the completion is complete, and only read then.
    let range: Range<UInt64>
    private let buffer: UnsafeMutableRawPointer
    private let rados: sealdisk_rados
    private var completion: rados_completion_t?

    /// nil if it could not be begun.
    init?(_ part: Placement.Part, in session: Session) {
        range = part.position..<(part.position + UInt64(part.count))
        buffer = .allocate(byteCount: part.count, alignment: 16)
        rados = session.rados
        let held = Unmanaged.passRetained(self)
        let created = rados.aio_create_completion2(
            held.toOpaque(),
            { _, argument in
                guard let argument else { return }
                Unmanaged<Prefetch>.fromOpaque(argument).release()
            }, &completion)
        guard created == 0, let completion else {
            held.release()
            return nil
        }
        let code = rados.aio_read(
            session.pool, part.object, completion, buffer.assumingMemoryBound(to: CChar.self),
            part.count, part.offset)
        if code < 0 {
            held.release()
            return nil
        }
    }

    deinit {
        if let completion { rados.aio_release(completion) }
        buffer.deallocate()
    }

    func wait() {
        if let completion { _ = rados.aio_wait_for_complete(completion) }
    }

    /// Copies a range that this one covers; false if it must be read anew.
    func copy(_ wanted: Range<UInt64>, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard let completion else { return false }
        wait()
        let code = rados.aio_get_return_value(completion)
        guard code >= 0 || code == -ENOENT else { return false }
        let start = Int(wanted.lowerBound - range.lowerBound)
        let found = min(max(0, Int(max(code, 0)) - start), target.count)
        target.copyMemory(
            from: UnsafeRawBufferPointer(start: buffer + start, count: found))
        UnsafeMutableRawBufferPointer(rebasing: target[found...])
            .initializeMemory(as: UInt8.self, repeating: 0)
        return true
    }
}
