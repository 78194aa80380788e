import ControlPlane
import Glibc

/// A request through a mount's `control` file: written and answered on one handle, so that the
/// reply is the one to this request.
enum ControlFile {
    static func perform(_ request: String, at mountPoint: String) throws(Failure) -> String {
        let path = mountPoint + "/control"
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreachable(path, errno) }
        defer { close(descriptor) }
        // A refused request makes the write fail, and its reply is there all the same.
        let problem = write(Array(request.utf8), to: descriptor)
        guard let reply = HostText.bytes(of: descriptor) else { throw unreachable(path, errno) }
        guard !reply.isEmpty else { throw unreachable(path, problem == 0 ? EIO : problem) }
        return String(decoding: reply, as: UTF8.self)
    }

    /// Writes all in one call, which is what makes it one request; never a second time, whatever
    /// happened: that would be a second request. The errno, 0 if it was taken.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        let count = Glibc.write(descriptor, bytes, bytes.count)
        return count == bytes.count ? 0 : count < 0 ? errno : EMSGSIZE
    }

    private static func unreachable(_ path: String, _ cause: Int32) -> Failure {
        let reason = String(cString: strerror(cause))
        switch cause {
        case EACCES, EPERM:
            return Failure(
                .denied, "\(path) may not be used: \(reason).",
                advice: "Run this as the user who mounted the store, or as root.")
        case ENOTCONN, ECONNABORTED, ESHUTDOWN:
            return Failure(
                .failed, "The mount behind \(path) does not answer: \(reason).",
                advice: "Its daemon is gone or ending. Unmount it (sealdisk unmount DIR) and mount"
                    + " it again.")
        default:
            return Failure(
                .failed, "The request through \(path) failed: \(reason).",
                advice:
                    "See the mount's log (its --log-file, else the system's: journalctl -t"
                    + " sealdisk) and status.json.")
        }
    }
}
