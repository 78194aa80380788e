import CRados
import ChunkStore
import Glibc

/// The keys and values (omap) of one RADOS object.
struct KeyedValues {
    let session: Session
    let object: String

    /// Those of the given keys that are there, all of one moment; nil if there is no object.
    func values(of keys: [String], _ operation: String) throws(StoreError) -> [String: [UInt8]]? {
        var found: [String: [UInt8]] = [:]
        let code = read { handle, iterator in
            let bytes = keys.map { Array($0.utf8CString) }
            var counts = keys.map { $0.utf8.count }
            var joined = bytes.flatMap { $0 }
            joined.withUnsafeMutableBufferPointer { buffer in
                var pointers: [UnsafePointer<CChar>?] = []
                var offset = 0
                for key in bytes {
                    pointers.append(buffer.baseAddress.map { UnsafePointer($0 + offset) })
                    offset += key.count
                }
                session.rados.read_op_omap_get_vals_by_keys2(
                    handle, &pointers, keys.count, &counts, iterator, nil)
            }
        } each: { key, value in
            found[key] = value
        }
        if code == -ENOENT { return nil }
        try check(code, operation)
        return found
    }

    /// All whose keys begin with `prefix`, without it; nil if there is no object.
    func all(prefix: String, _ operation: String) throws(StoreError) -> [(String, [UInt8])]? {
        var found: [(String, [UInt8])] = []
        var after = ""
        var more: UInt8 = 1
        while more != 0 {
            let before = found.count
            let code = read { handle, iterator in
                session.rados.read_op_omap_get_vals2(
                    handle, after, prefix, 1000, iterator, &more, nil)
            } each: { key, value in
                after = key
                found.append((String(key.dropFirst(prefix.count)), value))
            }
            if code == -ENOENT { return nil }
            try check(code, operation)
            if found.count == before { break }
        }
        return found
    }

    private func read(
        _ prepare: (rados_read_op_t, UnsafeMutablePointer<rados_omap_iter_t?>) -> Void,
        each: (String, [UInt8]) -> Void
    ) -> Int32 {
        guard let handle = session.rados.create_read_op() else { return -ENOMEM }
        defer { session.rados.release_read_op(handle) }
        let iterator = UnsafeMutablePointer<rados_omap_iter_t?>.allocate(capacity: 1)
        iterator.initialize(to: nil)
        defer { iterator.deallocate() }
        prepare(handle, iterator)
        let code = session.rados.read_op_operate(handle, session.pool, object, 0)
        if code == -ESHUTDOWN { session.end(session.whyTaken) }
        guard let values = iterator.pointee else { return code }
        defer { session.rados.omap_get_end(values) }
        while code >= 0 {
            var key: UnsafeMutablePointer<CChar>?
            var value: UnsafeMutablePointer<CChar>?
            var (keyCount, count) = (0, 0)
            let next = session.rados.omap_get_next2(values, &key, &value, &keyCount, &count)
            guard next == 0, let key else { break }
            each(
                String(
                    decoding: UnsafeRawBufferPointer(start: key, count: keyCount), as: UTF8.self),
                Array(UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : count)))
        }
        return code
    }
}
