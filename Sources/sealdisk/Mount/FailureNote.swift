import Glibc

/// What a daemon could not make durable at its end, left for whoever unmounts: its exit code goes
/// to nobody.
///
/// It lies where only root or this user can make names: nobody else can plant one that would keep
/// the note from being written.
enum FailureNote {
    static func leave(_ failure: Failure) {
        for folder in folders(making: true) {
            let path = path(in: folder, of: getpid())
            // What is there is of an earlier process of this number.
            unlink(path)
            let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard file >= 0 else { continue }
            defer { close(file) }
            var text = failure.message
            let count = text.withUTF8 { write(file, $0.baseAddress, $0.count) }
            if count == text.utf8.count { return }
        }
    }

    /// What that process left, if it did; it is told once.
    static func take(of pid: Int32) -> String? {
        for folder in folders(making: false) {
            let path = path(in: folder, of: pid)
            let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
            guard file >= 0 else { continue }
            defer { close(file) }
            unlink(path)
            return HostText.bytes(of: file).map { String(decoding: $0, as: UTF8.self) }
        }
        return nil
    }

    /// What that process left, as the failure of whoever unmounts.
    static func failure(of pid: Int32, _ mountPoint: String) -> Failure? {
        take(of: pid).map { note in
            Failure(
                .failed, "\(mountPoint) is unmounted, but not everything is durable: \(note)",
                advice: note.contains("another host has taken")
                    ? "What this host had not put into the store by then is lost; that host has it."
                    : "Check the store's medium before the store is mounted again.")
        }
    }

    /// Where notes may lie, the best place first. Both sides look into all of them: the
    /// environment of who unmounts may be another.
    static func folders(making: Bool) -> [String] {
        if geteuid() == 0 { return ["/run"] }
        var folders = [environmentVariable("XDG_RUNTIME_DIR"), "/run/user/\(geteuid())"]
        let state =
            environmentVariable("XDG_STATE_HOME")
            ?? environmentVariable("HOME").map { "\($0)/.local/state" }
        if let state {
            let own = "\(state)/sealdisk"
            if making { makeFolder(own) }
            folders.append(own)
        }
        return folders.compactMap { $0 }.filter(isPrivate)
    }

    private static func makeFolder(_ path: String) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        if mkdir(path, 0o700) != 0, errno == ENOENT {
            makeFolder(String(path[..<slash]))
            mkdir(path, 0o700)
        }
    }

    /// Whether a folder, and no link to one, belongs to this user and is closed to all others.
    static func isPrivate(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            && status.st_uid == geteuid() && status.st_mode & 0o077 == 0
    }

    private static func path(in folder: String, of pid: Int32) -> String {
        "\(folder)/sealdisk-\(pid).failure"
    }
}
