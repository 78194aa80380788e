import CRados
import ChunkStore

/// Writes to one piece that are carried out at one moment, or not at all.
///
/// It is built by one thread at a time (`GroupedWrites` sees to that), started once, and waited for
/// by as many as have a part in it. Librados has copied the bytes when `add` returns.
final class WriteOrder: @unchecked Sendable {
    // @unchecked: the operation is changed under the lock of `GroupedWrites` until the order is
    // started, and not after that; a completion may be waited for by every thread.
    let object: String
    private(set) var parts = 0
    private let session: Session
    private let operation: WriteOperation
    private let completion: rados_completion_t

    init(_ session: Session, _ object: String) {
        self.session = session
        self.object = object
        operation = WriteOperation(session)
        var completion: rados_completion_t?
        guard session.rados.aio_create_completion2(nil, nil, &completion) == 0, let completion
        else {
            preconditionFailure("out of memory")  // librados makes one with C++'s new
        }
        self.completion = completion
    }

    deinit { session.rados.aio_release(completion) }

    func add(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
        operation.write(bytes, at: offset)
        parts += 1
    }

    /// Once. What is waited for is not ended before.
    func start() {
        let code = operation.start(on: object, completion)
        // It refuses to begin changes of a pool's snapshot alone, and no session has one.
        precondition(code == 0, "librados does not begin a write: \(code)")
    }

    /// What the cluster answered.
    func wait() -> Int32 {
        _ = session.rados.aio_wait_for_complete(completion)
        return session.rados.aio_get_return_value(completion)
    }
}
