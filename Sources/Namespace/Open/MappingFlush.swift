import DiskEngine
import DiskFormat
import Glibc

/// Has the kernel write out what shared mappings of a file of this mount hold dirty: an fsync
/// through the mount.
///
/// Never by a thread of the process that serves the mount: killed while it waits for its own
/// answers, it would keep /dev/fuse open for ever, and the mount would hang instead of ending.
public protocol MappingWriter: Sendable {
    /// 0; ETIMEDOUT when it takes longer than `patience` (seconds); or the errno of what failed.
    func writeOut(_ path: String, patience: Double) -> Int32
}

extension MappingWriter {
    /// Throws `.io` when the kernel reports a failure or takes longer than `patience` (seconds).
    func flush(_ disk: DiskID, below mountPoint: String, patience: Double) throws(DiskError) {
        let error = writeOut("\(mountPoint)/disks/\(disk)", patience: patience)
        switch error {
        case 0: return
        case ETIMEDOUT:
            throw DiskError(
                .io,
                "mappings of disk \(disk) were not written out within \(Int(patience)) "
                    + "seconds: the disk is under heavy load or its store hangs; try again")
        default:
            throw DiskError(
                .io,
                "mappings of disk \(disk) could not be written out: "
                    + String(cString: strerror(error)))
        }
    }
}
