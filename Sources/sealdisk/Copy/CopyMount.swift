import ControlPlane
import Glibc

/// A file system that is mounted for the time of a copy.
enum CopyMount {
    /// Where such mounts are made.
    static let folder = "/run/sealdisk-copy"

    /// Mounts a device and gives where; it is taken away with the stage.
    static func make(
        _ device: String, options: String, _ stage: Stage, of name: String
    ) throws(Failure) -> String {
        let place = try stage.done("a mount point") { () throws(Failure) in
            try makeFolder()
        } undo: { place throws(Failure) in
            rmdir(place)
            rmdir(folder)
        }
        return try stage.done("the file system of \(name)") { () throws(Failure) in
            // As it is read by a program that must not be fooled: no devices, no set-user-ids.
            let status = ChildProcess.runToTerminal(
                ["mount", "-o", "\(options),nodev,nosuid", device, place])
            guard status == 0 else {
                throw Failure(
                    .failed, "There is no file system on \(name) that could be mounted.",
                    advice: "See what mount said. A blank target gets one by --mkfs ext4;"
                        + " partitions are not looked for: mount them yourself and name folders.")
            }
            return place
        } undo: { place throws(Failure) in
            try takeAway(place)
        }
    }

    static func takeAway(_ place: String) throws(Failure) {
        // A program that looks at every new mount may be in it for a moment.
        for attempt in 0..<50 {
            if umount2(place, 0) == 0 { return }
            guard errno == EBUSY, attempt < 49 else { break }
            usleep(100_000)
        }
        throw Failure(
            .busy, "\(place) could not be unmounted: \(String(cString: strerror(errno))).",
            advice: "Close what uses it, then: umount \(place)")
    }

    private static func makeFolder() throws(Failure) -> String {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw failed(folder) }
        var template = Array("\(folder)/\(getpid()).XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw failed(folder) }
        return String(cString: made)
    }

    private static func failed(_ path: String) -> Failure {
        Failure(
            .failed, "A folder in \(path) could not be made: \(String(cString: strerror(errno))).",
            advice: "Mend that, then repeat.")
    }
}

/// Has everything of a file system that is in memory written out.
enum FileSystemSync {
    static func run(_ path: String) throws(Failure) {
        guard ChildProcess.runToTerminal(["sync", "-f", path]) == 0 else {
            throw Failure(
                .failed, "\(path) could not be written out.",
                advice: "See what it said above and the kernel's log, then repeat.")
        }
    }
}
