import ControlPlane
import Glibc

/// Whether a mount answers at all, found out in a second.
enum MountProbe: Hashable {
    case answers
    /// Its daemon is gone.
    case dead
    /// Its daemon is stopped or hangs.
    case silent

    /// Seconds.
    private static let patience = 1.0

    static func of(_ mountPoint: String) -> MountProbe {
        switch Errands().perform(.probe, mountPoint, patience: patience) {
        case ETIMEDOUT: .silent
        case ENOTCONN, ECONNABORTED: .dead
        default: .answers
        }
    }

    /// What is said of a mount that is silent.
    static func silence(of mount: MountedStore) -> Failure {
        let server = mount.server
        let daemon = server.map { "its daemon, process \($0), \(state(of: $0))" }
        let goOn = server.map { "Let it go on (kill -CONT \($0)), or end it" } ?? "End it"
        return Failure(
            .failed,
            "The mount at \(mount.mountPoint) does not answer"
                + " (\(daemon ?? "its daemon is gone, and the kernel waits for it")).",
            advice: "\(goOn): sealdisk unmount --force \(mount.mountPoint)")
    }

    private static func state(of process: Int32) -> String {
        // `pid (name) state …`; the name may hold anything, so the last parenthesis counts.
        let text = HostText.read("/proc/\(process)/stat") ?? ""
        let rest = text.lastIndex(of: ")").map { text[$0...].dropFirst(2) } ?? ""
        return rest.first.map { "Tt".contains($0) } == true ? "is stopped" : "hangs"
    }
}
