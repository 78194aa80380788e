import Foundation

/// A control group of processes that share a limit on memory and get no swap; by the interface of
/// the kernel's version 2 or, where memory is controlled by that, 1.
final class MemoryGroup {
    private let parent: String
    private let path: String
    private let isVersion1: Bool
    private let mebibytes: Int

    /// Throws, with what is missing, where no such group can be made.
    init(mebibytes: Int) throws {
        (parent, isVersion1) = try Self.root()
        self.mebibytes = mebibytes
        path = parent + "/sealdisk-\(UUID().uuidString.prefix(8))"
        guard mkdir(path, 0o755) == 0 else { throw Self.failure("mkdir", path) }
        do {
            let limit = String(mebibytes << 20)
            // What limits swap is missing where the kernel does not count it.
            if isVersion1 {
                try set("memory.limit_in_bytes", limit)
                try? set("memory.memsw.limit_in_bytes", limit)
            } else {
                try set("memory.max", limit)
                try? set("memory.swap.max", "0")
            }
        } catch {
            rmdir(path)
            throw error
        }
    }

    /// What comes before a program and its arguments to run it as a member.
    var wrapper: [String] {
        ["sh", "-c", #"echo $$ >"$0/cgroup.procs" && exec "$@""#, path]
    }

    /// Whether members have ever used all that they may.
    var wasFull: Bool {
        get throws {
            guard isVersion1 else { return try count("max", in: "memory.events") > 0 }
            let text = try String(
                contentsOfFile: path + "/memory.max_usage_in_bytes", encoding: .utf8)
            // Up to 64 pages are charged in advance.
            return Int(text.prefix { $0.isNumber }) ?? 0 > (mebibytes - 1) << 20
        }
    }

    /// How many members were killed because there was no memory for them.
    var kills: Int {
        get throws {
            try count("oom_kill", in: isVersion1 ? "memory.oom_control" : "memory.events")
        }
    }

    private func count(_ event: String, in file: String) throws -> Int {
        let text = try String(contentsOfFile: path + "/" + file, encoding: .utf8)
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == event[...], let count = words.last.flatMap({ Int($0) }) {
                return count
            }
        }
        throw Command.Failure(description: "\(path)/\(file) does not count \(event)")
    }

    /// Whoever is still a member is none any more.
    func remove() {
        let members = try? String(contentsOfFile: path + "/cgroup.procs", encoding: .utf8)
        for member in (members ?? "").split(separator: "\n") {
            try? Self.write(String(member), to: parent + "/cgroup.procs")
        }
        // One that was killed is a member until it is gone.
        for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) }
    }

    /// Where groups can be made whose memory is limited.
    private static func root() throws -> (path: String, isVersion1: Bool) {
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
            .split(separator: "\n").map { $0.split(separator: " ") }
        for fields in mounts where fields[2] == "cgroup" {
            if fields[3].split(separator: ",").contains("memory") {
                return (String(fields[1]), true)
            }
        }
        guard let fields = mounts.first(where: { $0[2] == "cgroup2" }) else {
            throw Command.Failure(description: "no control groups are mounted here")
        }
        let path = String(fields[1])
        do {
            try write("+memory", to: path + "/cgroup.subtree_control")
        } catch {
            throw Command.Failure(
                description: "control groups at \(path) cannot limit memory: \(error)")
        }
        return (path, false)
    }

    private func set(_ name: String, _ value: String) throws {
        try Self.write(value, to: path + "/" + name)
    }

    private static func write(_ value: String, to path: String) throws {
        let file = try OpenedFile(path, O_WRONLY)
        let bytes = Array(value.utf8)
        guard Glibc.write(file.descriptor, bytes, bytes.count) == bytes.count else {
            throw failure("write \(value) to", path)
        }
    }

    private static func failure(_ call: String, _ path: String) -> OpenedFile.Failure {
        OpenedFile.Failure(call: "\(call) \(path)", errno: errno)
    }
}
