import CRados
import ChunkStore

/// Several changes of one RADOS object, of which all happen at one moment or none.
struct WriteOperation: ~Copyable {
    private let session: Session
    private let handle: rados_write_op_t

    init(_ session: Session) {
        self.session = session
        guard let handle = session.rados.create_write_op() else {
            preconditionFailure("out of memory")  // librados makes one with C++'s new
        }
        self.handle = handle
    }

    deinit { session.rados.release_write_op(handle) }

    /// The object comes into being if it is not there.
    func createIfMissing() {
        session.rados.write_op_create(handle, Int32(LIBRADOS_CREATE_IDEMPOTENT), nil)
    }

    /// Nothing is done (-ECANCELED) unless the key has this value; an empty one says that the
    /// object has no such key, for what is set here is never empty. An object that is not there at
    /// all is -ENOENT.
    func require(_ key: String, _ value: [UInt8]) {
        let name = Array(key.utf8)
        value.withUnsafeBytes { value in
            name.withUnsafeBytes { name in
                session.rados.write_op_omap_cmp2(
                    handle, name.baseAddress?.assumingMemoryBound(to: CChar.self),
                    UInt8(LIBRADOS_CMPXATTR_OP_EQ),
                    value.baseAddress?.assumingMemoryBound(to: CChar.self), name.count,
                    value.count, nil)
            }
        }
    }

    func set(_ key: String, _ value: [UInt8]) {
        withBytes(of: key) { key, keyCount in
            value.withUnsafeBytes { bytes in
                var key: UnsafePointer<CChar>? = key
                var keyCount = keyCount
                var value = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                var count = bytes.count
                session.rados.write_op_omap_set2(handle, &key, &value, &keyCount, &count, 1)
            }
        }
    }

    func remove(_ key: String) {
        withBytes(of: key) { key, count in
            var key: UnsafePointer<CChar>? = key
            var count = count
            session.rados.write_op_omap_rm_keys2(handle, &key, &count, 1)
        }
    }

    func removeObject() { session.rados.write_op_remove(handle) }

    /// The object is so long from now on.
    func truncate(_ length: UInt64) { session.rados.write_op_truncate(handle, length) }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
        session.rados.write_op_write(
            handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, offset)
    }

    func zero(at offset: UInt64, length: UInt64) {
        session.rados.write_op_zero(handle, offset, length)
    }

    /// A method of a class of objects that the cluster has.
    func execute(_ objectClass: String, _ method: String, _ input: [UInt8]) {
        input.withUnsafeBytes { input in
            session.rados.write_op_exec(
                handle, objectClass, method,
                input.baseAddress?.assumingMemoryBound(to: CChar.self), input.count, nil)
        }
    }

    /// Does it; returns librados' code. Throws `.fenced`.
    consuming func run(on object: String, _ operation: String) throws(StoreError) -> Int32 {
        let (session, handle) = (session, handle)
        return try session.change(operation) {
            session.rados.write_op_operate(handle, session.pool, object, nil, 0)
        }
    }

    /// Begins it. The order is librados' own once this returns.
    func start(on object: String, _ completion: rados_completion_t) -> Int32 {
        session.rados.aio_write_op_operate(handle, session.pool, completion, object, nil, 0)
    }

    /// Also when the session is over: for what changes nothing of the store's.
    consuming func runAnyway(on object: String) -> Int32 {
        session.rados.write_op_operate(handle, session.pool, object, nil, 0)
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` for what throws errors of stores alone.
    func withBytes<R>(
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let result = withUnsafeBytes { buffer -> Result<R, StoreError> in
            do throws(StoreError) { return .success(try body(buffer)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// The bytes of a key, for as long as `body` runs.
func withBytes<R>(of key: String, _ body: (UnsafePointer<CChar>?, Int) -> R) -> R {
    Array(key.utf8).withUnsafeBytes { bytes in
        body(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
}
