import Glibc

extension HiddenMount {
    /// How long a daemon may take to make everything durable before it is killed, in seconds.
    private static let patience = 60

    /// Ends the daemon: asked first, so that everything is made durable, and killed if it does not
    /// end in time. Whoever still sees the mount gets ENOTCONN from there on.
    func end() throws(Failure) {
        guard let daemon = ProcessWatch(server) else { return }
        guard kill(server, SIGTERM) == 0 else {
            throw Failure(
                .denied,
                "The daemon of \(mountPoint), process \(server), could not be ended:"
                    + " \(String(cString: strerror(errno))).",
                advice: "Run this as the user who mounted the store, or as root.")
        }
        let isEnded = daemon.waitForEnd(within: Self.patience) { seconds in
            Report.line(
                "waiting until everything written to \(mountPoint) is durable"
                    + " (\(seconds) s; killed after \(Self.patience) s)")
        }
        if !isEnded {
            // Its end closes the connection, which wakes whoever waits in the mount.
            kill(server, SIGKILL)
            _ = daemon.waitForEnd(within: Self.patience) { _ in }
            Report.line(
                "the daemon of \(mountPoint), process \(server), did not end in"
                    + " \(Self.patience) s and was killed. What was acknowledged is in the store:"
                    + " mount it again.")
        }
        if let failure = FailureNote.failure(of: server, mountPoint) { throw failure }
    }
}
