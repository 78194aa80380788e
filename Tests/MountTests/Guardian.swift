import Foundation
import Synchronization
import Testing

/// Ends what hangs: when it is not stopped in time it records a failure with what every daemon's
/// threads wait for, and aborts the connections of all mounts of this run's rigs, so that whoever
/// waits for them goes on, with an error.
final class Guardian: Sendable {
    private static let mountPoints = Mutex<Set<String>>([])
    private let isOver = Mutex(false)

    /// `over` says what is being watched; `alsoEnd` is called after the mounts were aborted.
    init(seconds: Double, over what: String, alsoEnd: @escaping @Sendable () -> Void = {}) {
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { [weak self] in
            guard let self else { return }
            isOver.withLock { isOver in
                guard !isOver else { return }
                Issue.record("\(what) took longer than \(Int(seconds)) s\n\(Self.threads())")
                for point in Self.mountPoints.withLock({ $0 }) { Self.abort(point) }
                alsoEnd()
            }
        }
    }

    func stop() { isOver.withLock { $0 = true } }

    static func add(_ mountPoint: String) {
        mountPoints.withLock { _ = $0.insert(mountPoint) }
    }

    static func remove(_ mountPoint: String) {
        mountPoints.withLock { _ = $0.remove(mountPoint) }
    }

    /// Ends the kernel's connection of a mount of ours, if there is one: every request, under way
    /// or to come, fails. Nothing is asked of the mount itself.
    static func abort(_ mountPoint: String) {
        let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 8, fields[4] == mountPoint, line.contains(" - fuse.sealdisk "),
                let minor = fields[2].split(separator: ":").last
            else { continue }
            let file = open("/sys/fs/fuse/connections/\(minor)/abort", O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { continue }
            _ = write(file, "1", 1)
            close(file)
        }
    }

    /// What each thread of each daemon of this run waits for.
    private static func threads() -> String {
        let points = mountPoints.withLock { $0 }
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var text = ""
        for process in all.compactMap({ pid_t($0) }) {
            let arguments = contents("/proc/\(process)/cmdline")
            guard points.contains(where: arguments.contains) else { continue }
            text += "process \(process): \(arguments.replacing("\u{0}", with: " "))\n"
            let tasks = "/proc/\(process)/task"
            for task in (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? [] {
                text += "thread \(task): \(contents("\(tasks)/\(task)/wchan"))\n"
                text += contents("\(tasks)/\(task)/stack")
            }
        }
        return text
    }

    private static func contents(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    }
}
