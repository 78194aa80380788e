import ArgumentParser
import ControlPlane
import Glibc

/// Whether a mount answers at all, found out in a second. The question blocks when the daemon is
/// stopped or hangs, and then cannot always be ended; so a process of its own asks it, which may
/// be left behind.
enum MountProbe: Hashable {
    case answers
    /// Its daemon is gone.
    case dead
    /// Its daemon is stopped or hangs.
    case silent

    private static let patience = 1000

    static func of(_ mountPoint: String) -> MountProbe {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Left behind, it must not keep open what the caller's reader waits for the end of.
        for descriptor in Int32(0)...2 {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
        }
        let arguments = ["sealdisk", ProbeCommand.name, mountPoint]
        guard
            let child = ChildProcess.spawn(arguments, program: "/proc/self/exe", &actions).child
        else { return .answers }
        var status: Int32 = 0
        for _ in 0..<patience {
            if waitpid(child, &status, WNOHANG) == child {
                let error = status & 0x7f == 0 ? status >> 8 & 0xff : 0
                return [ENOTCONN, ECONNABORTED].contains(error) ? .dead : .answers
            }
            usleep(1000)
        }
        kill(child, SIGKILL)
        return .silent
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

/// The process behind a `MountProbe`; its exit code is the errno.
struct ProbeCommand: ParsableCommand {
    static let name = "probe-mount"
    static let configuration = CommandConfiguration(commandName: name, shouldDisplay: false)

    @Argument var mountPoint: String

    func run() {
        let file = open(mountPoint + "/control", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        Glibc.exit(file < 0 ? errno : 0)
    }
}
