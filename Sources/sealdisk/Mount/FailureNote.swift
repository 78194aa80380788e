import Glibc

/// What a daemon could not make durable at its end, left for whoever unmounts: its exit code goes
/// to nobody.
enum FailureNote {
    static func leave(_ failure: Failure) {
        // O_EXCL and O_NOFOLLOW: nothing that somebody else laid there is written through.
        let file = open(
            path(of: getpid()), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        var text = failure.message
        text.withUTF8 { _ = write(file, $0.baseAddress, $0.count) }
    }

    /// What that process left, if it did; it is told once.
    static func take(of pid: Int32) -> String? {
        let path = path(of: pid)
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_uid == 0 || status.st_uid == getuid() else {
            return nil
        }
        unlink(path)
        return HostText.bytes(of: file).map { String(decoding: $0, as: UTF8.self) }
    }

    /// What that process left, as the failure of whoever unmounts.
    static func failure(of pid: Int32, _ mountPoint: String) -> Failure? {
        take(of: pid).map { note in
            Failure(
                .failed, "\(mountPoint) is unmounted, but not everything is durable: \(note)",
                advice: "Check the store's medium before the store is mounted again.")
        }
    }

    private static func path(of pid: Int32) -> String {
        let folder = geteuid() == 0 ? "/run" : environmentVariable("XDG_RUNTIME_DIR") ?? "/tmp"
        return "\(folder)/sealdisk-\(pid).failure"
    }
}
