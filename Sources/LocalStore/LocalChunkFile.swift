import CLinuxFile
import ChunkStore
import Glibc
import Synchronization

/// An open file of a `LocalStore`. The kernel keeps calls on disjoint ranges apart; there is no
/// state of ours to protect.
final class LocalChunkFile: ChunkFile {
    private let file: Descriptor
    private let name: ObjectName
    /// As it was when the file was opened; nothing in the contract changes it.
    private let length: UInt64
    private let isReadOnly: Bool
    /// Whether the file system can say that a read would wait; presumed until it says no.
    private let saysIfItWaits = Atomic<Bool>(true)

    init(_ file: consuming Descriptor, name: ObjectName, length: UInt64, isReadOnly: Bool) {
        self.file = file
        self.name = name
        self.length = length
        self.isReadOnly = isReadOnly
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(StoreError) -> Int {
        guard offset < length else { return 0 }
        return try file.read(into: buffer, at: off_t(offset), "read \(name)")
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, beforeWaiting: () -> Void
    ) throws(StoreError) -> Int {
        guard offset < length, saysIfItWaits.load(ordering: .relaxed) else {
            return try read(into: buffer, at: offset)
        }
        let count = file.host.preadNoWait(file.number, buffer, off_t(offset))
        if count == buffer.count { return count }
        if count < 0, errno == EOPNOTSUPP {
            saysIfItWaits.store(false, ordering: .relaxed)
        } else {
            beforeWaiting()
        }
        // From the beginning: the rest is what takes its time.
        return try read(into: buffer, at: offset)
    }

    func prefetch(at offset: UInt64, length: UInt64) {
        // A hint that is refused is no failure.
        _ = file.host.fadvise(file.number, off_t(offset), off_t(length), POSIX_FADV_WILLNEED)
    }

    func forget(at offset: UInt64, length: UInt64) {
        // The kernel lets go of whole pages, and of none that has still to be written.
        let first = offset / 4096 * 4096
        let end = (offset + length + 4095) / 4096 * 4096
        _ = file.host.fadvise(file.number, off_t(first), off_t(end - first), POSIX_FADV_DONTNEED)
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        try checkWritable("write \(name)")
        guard offset <= length, UInt64(buffer.count) <= length - offset else {
            throw StoreError(
                .io, operation: "write \(name)", cause: "offset \(offset) is outside the file")
        }
        try file.write(buffer, at: off_t(offset), "write \(name)")
    }

    func synchronize() throws(StoreError) {
        try check(retrying { file.host.fdatasync(file.number) }, "synchronize \(name)")
    }

    func dropCache() throws(StoreError) {
        try synchronize()
        // Dirty pages are not dropped, hence the synchronize; this call returns its error.
        let code = file.host.fadvise(file.number, 0, 0, POSIX_FADV_DONTNEED)
        if code != 0 { throw StoreError(errno: code, "drop cache of \(name)") }
    }

    func deallocate(at offset: UInt64, length count: UInt64) throws(StoreError) {
        let operation = "deallocate in \(name)"
        try checkWritable(operation)
        guard offset < length, count > 0 else { return }
        let end = min(count, length - offset) + offset
        let mode = Int32(SEALDISK_FALLOC_PUNCH_HOLE | SEALDISK_FALLOC_KEEP_SIZE)
        let (from, size) = (off_t(offset), off_t(end - offset))
        if retrying({ file.host.fallocate(file.number, mode, from, size) }) == 0 { return }
        guard errno == EOPNOTSUPP else { throw StoreError(errno: errno, operation) }
        let zeros = [UInt8](repeating: 0, count: Int(min(end - offset, 1 << 20)))
        for position in stride(from: offset, to: end, by: zeros.count) {
            let piece = zeros[..<min(zeros.count, Int(end - position))]
            try file.write(Array(piece), at: off_t(position), operation)
        }
    }

    func size() throws(StoreError) -> (length: UInt64, allocated: UInt64) {
        let status = try file.status("size of \(name)")
        // st_blocks counts 512 bytes, whatever the file system's block size.
        return (UInt64(status.st_size), UInt64(status.st_blocks) * 512)
    }

    private func checkWritable(_ operation: @autoclosure () -> String) throws(StoreError) {
        guard isReadOnly else { return }
        throw StoreError(
            .readOnly, operation: operation(), cause: "the store was opened read-only")
    }
}
