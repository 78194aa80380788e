import CLinuxFile
import ChunkStore
import Glibc

extension LocalStore {
    /// Space is taken in steps of this many bytes, and of ever fewer as it runs short.
    private static let largestStep: UInt64 = 256 << 20
    private static let smallestStep: UInt64 = 4096

    public func capacity() throws(StoreError) -> StoreCapacity {
        var status = statvfs()
        try check(root.host.fstatvfs(root.number, &status), "capacity of store \(path)")
        let unit = UInt64(status.f_frsize)
        return StoreCapacity(
            total: UInt64(status.f_blocks) * unit, available: UInt64(status.f_bavail) * unit)
    }

    /// Space stands aside as a preallocated file. Where the file system cannot preallocate, none
    /// can be set aside, and this returns 0.
    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        let operation = "reserve \(name)"
        try checkWritable(operation)
        guard bytes > 0 else {
            do throws(StoreError) {
                try remove(name)
            } catch {
                if error.code != .notFound { throw error }
            }
            return 0
        }
        let place = try place(of: name, creating: true, operation)
        let file = try open(place.leaf, in: place.folder, O_RDWR | O_CREAT, operation)
        let length = try Self.resize(file, to: bytes, operation)
        try file.synchronize(operation)
        try place.folder.synchronize(operation)
        return length
    }

    /// Shrinks a reserve, or grows it as far as there is space. Returns its length.
    private static func resize(
        _ file: borrowing Descriptor, to bytes: UInt64, _ operation: String
    ) throws(StoreError) -> UInt64 {
        let (number, host) = (file.number, file.host)
        var length = UInt64(try file.status(operation).st_size)
        guard let target = off_t(exactly: bytes) else { throw StoreError(errno: EFBIG, operation) }
        if length >= bytes {
            try check(retrying { host.ftruncate(number, target) }, operation)
            return bytes
        }
        var step = largestStep
        while length < bytes, step >= smallestStep {
            step = min(step, bytes - length)
            let (from, count) = (off_t(length), off_t(step))
            if retrying({ host.fallocate(number, 0, from, count) }) == 0 {
                length += step
                continue
            }
            let code = errno
            // A step that failed may have taken part of its space, and moved the end with it.
            try check(retrying { host.ftruncate(number, from) }, operation)
            switch code {
            case ENOSPC, EDQUOT: step /= 2
            case EOPNOTSUPP: return 0
            default: throw StoreError(errno: code, operation)
            }
        }
        return length
    }
}
