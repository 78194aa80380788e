import DiskEngine
import DiskFormat
import Glibc

/// Has the kernel write out what shared mappings of a disk's file hold dirty: an fsync through the
/// mount, on a thread that may be left behind when the kernel does not come back.
enum MappingFlush {
    private struct Outcome: Sendable {
        var isOver = false
        var errno: Int32 = 0
    }

    /// `patience` in seconds. Throws `.io` when the kernel reports a failure or takes longer.
    static func run(path: String, disk: DiskID, patience: Double) throws(DiskError) {
        let outcome = Watched(Outcome())
        do throws(FileError) {
            try ServiceThread {
                let errno = synchronize(path)
                outcome.withLock { $0 = Outcome(isOver: true, errno: errno) }
            }.abandon()
        } catch {
            throw DiskError(.io, "mappings of disk \(disk) could not be written out: \(error)")
        }
        try outcome.within(seconds: patience) {
            $0.isOver
        } _: { state, isOver throws(DiskError) in
            guard isOver else {
                throw DiskError(
                    .io,
                    "mappings of disk \(disk) were not written out within \(Int(patience)) "
                        + "seconds: the disk is under heavy load or its store hangs; try again")
            }
            guard state.errno == 0 else {
                throw DiskError(
                    .io,
                    "mappings of disk \(disk) could not be written out: "
                        + String(cString: strerror(state.errno)))
            }
        }
    }

    /// 0, or the errno of what failed.
    private static func synchronize(_ path: String) -> Int32 {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return errno }
        defer { close(file) }
        return fsync(file) == 0 ? 0 : errno
    }
}
