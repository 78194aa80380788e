import Glibc

/// Who keeps a mount busy, in words: loop devices (and what is mounted from them) and processes
/// with something open below the mount point.
enum MountHolders {
    static func list(of mountPoint: String) -> [String] {
        let loops = loopDevices(on: mountPoint)
        return loops.isEmpty ? processes(in: mountPoint) : loops
    }

    /// Loop devices whose files lie there, and what is mounted from them. Looks into no mount.
    static func loopDevices(on mountPoint: String) -> [String] {
        let mounts = MountInfo.current()
        return HostText.names(in: "/sys/block").filter { $0.hasPrefix("loop") }.compactMap { loop in
            guard let file = HostText.line("/sys/block/\(loop)/loop/backing_file"),
                file.hasPrefix(mountPoint + "/")
            else { return nil }
            let points = mounts.filter { isOn(loop, $0.source) }.map(\.mountPoint)
            let use =
                points.isEmpty ? "" : ", which is mounted at \(points.joined(separator: ", "))"
            return "\(file) is the loop device /dev/\(loop)\(use)"
        }
    }

    /// Whether loop devices are all that is known to hold the mount, and all of them go by
    /// themselves as soon as they are closed.
    static func areLoopsBeingFreed(on mountPoint: String) -> Bool {
        let mounts = MountInfo.current()
        let loops = OrphanedLoops.below(mountPoint).map { String($0.dropFirst("/dev/".count)) }
        return !loops.isEmpty
            && loops.allSatisfy { loop in
                HostText.line("/sys/block/\(loop)/loop/autoclear") == "1"
                    && !mounts.contains { isOn(loop, $0.source) }
            }
    }

    /// `/dev/loop0` itself or a partition of it, `/dev/loop0p1`.
    private static func isOn(_ loop: String, _ source: String) -> Bool {
        source == "/dev/\(loop)" || source.hasPrefix("/dev/\(loop)p")
    }

    private static func processes(in mountPoint: String) -> [String] {
        let below = mountPoint + "/"
        return HostText.names(in: "/proc").compactMap { Int32($0) }.compactMap {
            pid -> String? in
            guard pid != getpid() else { return nil }
            let folder = "/proc/\(pid)"
            let links =
                HostText.names(in: "\(folder)/fd").map { "\(folder)/fd/\($0)" }
                + ["\(folder)/cwd", "\(folder)/root"]
            let open = links.compactMap(target).first { $0 == mountPoint || $0.hasPrefix(below) }
            guard let path = open ?? mapping(of: folder, below: below) else { return nil }
            let command = HostText.line("\(folder)/comm") ?? "?"
            return "process \(pid) (\(command)) uses \(path)"
        }
    }

    private static func mapping(of folder: String, below: String) -> String? {
        guard let maps = HostText.read("\(folder)/maps") else { return nil }
        for line in maps.split(separator: "\n") {
            guard let slash = line.firstIndex(of: "/") else { continue }
            if line[slash...].hasPrefix(below) { return String(line[slash...]) }
        }
        return nil
    }

    private static func target(_ link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink(link, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
