import Glibc

/// Where a process that serves a mount is asked to hand it over: a Unix socket where only root or
/// this user can make names, called after the process. (No request to `control`: while it is
/// carried out the mount could not stop.)
enum HandoverDoor {
    /// Waits for whoever asks, on a thread of its own, one after the other, until the process ends.
    /// Without it the mount is served all the same, and handed over to nobody.
    static func open(_ answer: @escaping @Sendable (HandoverConnection) -> Void) {
        // What killed processes left there is nobody's any more.
        for path in RunLeftovers.stale() { unlink(path) }
        guard let (socket, path) = listen() else {
            return Report.line("the mount cannot be handed over later: no socket in /run")
        }
        atexit(closeDoor)
        doorPath = strdup(path)
        BackgroundThread.start {
            while true {
                let connected = accept(socket, nil, nil)
                guard connected >= 0 else {
                    usleep(100_000)
                    continue
                }
                _ = fcntl(connected, F_SETFD, FD_CLOEXEC)
                let connection = HandoverConnection(connected)
                guard let peer = connection.peer, peer.user == 0 || peer.user == geteuid() else {
                    continue
                }
                answer(connection)
            }
        }
    }

    /// A connection to the process that serves a mount; nil if it has no door that is seen here.
    static func connect(to process: Int32) -> HandoverConnection? {
        for folder in FailureNote.folders(making: false) {
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            guard socket >= 0 else { return nil }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            let path = path(in: folder, of: process)
            guard withAddress(path, { Glibc.connect(socket, $0, $1) }) == 0 else {
                close(socket)
                continue
            }
            let connection = HandoverConnection(socket)
            // The number may be another process's meanwhile.
            if connection.peer?.process == process { return connection }
        }
        return nil
    }

    private static func listen() -> (socket: Int32, path: String)? {
        for folder in FailureNote.folders(making: true) {
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            guard socket >= 0 else { return nil }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            let path = path(in: folder, of: getpid())
            // What is there is of an earlier process of this number.
            unlink(path)
            if withAddress(path, { bind(socket, $0, $1) }) == 0, chmod(path, 0o600) == 0,
                Glibc.listen(socket, 1) == 0
            {
                return (socket, path)
            }
            close(socket)
        }
        return nil
    }

    static func path(in folder: String, of process: Int32) -> String {
        "\(folder)/sealdisk-\(process).handover"
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        // The last byte ends the path.
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return -1
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }

    /// Takes the door away: for a process that leaves without an ordinary end.
    static func takeAway() { closeDoor() }
}

/// Written once, before any thread could read it; read at the end of the process.
nonisolated(unsafe) private var doorPath: UnsafeMutablePointer<CChar>?

private func closeDoor() {
    if let doorPath { unlink(doorPath) }
}
