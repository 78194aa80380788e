import ControlPlane
import Glibc
import Synchronization

/// Something long that a process of this program does, as `sealdisk jobs` shows it from another
/// terminal: a small file where only root or this user can make names, written anew once a second.
///
/// The file says which process it is of, and since when that lives: what a killed one left is told
/// from what goes on, and taken away by whoever sees it.
final class Job: Sendable {
    /// Seconds between two writings.
    static let period = 1.0
    private static let made = Atomic<Int>(0)

    let what: String
    /// Bytes; 0: nobody knows.
    let all: UInt64
    private let path: String?
    private let started = time(nil)

    init(what: String, all: UInt64) {
        self.what = what
        self.all = all
        let number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
        path = FailureNote.folders(making: true).first.map {
            "\($0)/sealdisk-\(getpid())-\(number).job"
        }
    }

    /// Where it cannot be written there is nothing to tell: the job itself goes on.
    func record(done: UInt64, of all: UInt64, rate: Double?) {
        guard let path else { return }
        var fields: JSONObject = [
            "Job": .string(what), "Process": .integer(UInt64(getpid())),
            "ProcessStart": .string(Self.start(of: getpid()) ?? ""),
            "Started": .integer(UInt64(started)), "DoneBytes": .integer(done),
            "TotalBytes": .integer(all),
        ]
        fields.append("BytesPerSecond", rate.map { .integer(UInt64($0)) })
        let part = path + ".part"
        let file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        var text = JSON.object(fields).text
        let count = text.withUTF8 { write(file, $0.baseAddress, $0.count) }
        close(file)
        // Whoever reads it finds all of it, or what was there before.
        guard count == text.utf8.count, rename(part, path) == 0 else {
            unlink(part)
            return
        }
    }

    func forget() { if let path { unlink(path) } }

    /// Those under way that this user may see, oldest first.
    static func all() -> [JSON] {
        var jobs: [JSON] = []
        for folder in FailureNote.folders(making: false) {
            for name in HostText.names(in: folder)
            where name.hasPrefix("sealdisk-") && name.hasSuffix(".job") {
                guard let bytes = HostText.bytes("\(folder)/\(name)"),
                    let job = try? JSON(parsing: bytes)
                else { continue }
                let process = Int32(truncatingIfNeeded: job.count("Process"))
                if start(of: process) == job.text("ProcessStart") {
                    jobs.append(job)
                } else {
                    unlink("\(folder)/\(name)")
                }
            }
        }
        return jobs.sorted { $0.count("Started") < $1.count("Started") }
    }

    /// When a process began, in the kernel's ticks: with its number, what it is for ever.
    private static func start(of process: Int32) -> String? {
        // `pid (name) state …`; the name may hold anything, so the last parenthesis counts. The
        // 22nd field of proc(5) is the 20th behind it.
        guard let text = HostText.read("/proc/\(process)/stat"),
            let name = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[name...].dropFirst(2).split(separator: " ")
        return fields.count > 19 ? String(fields[19]) : nil
    }
}
