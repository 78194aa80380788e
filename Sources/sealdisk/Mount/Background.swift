import Glibc

/// Leaving the terminal, once all that can go wrong at the start has been told there.
enum Background {
    /// Closes what this process was handed without being meant to: whoever started the command may
    /// wait for the other end of it. To be called before anything of its own is open.
    static func dropInherited(keeping kept: Int32) {
        for descriptor in HostText.names(in: "/proc/self/fd").compactMap({ Int32($0) })
        where descriptor > 2 && descriptor != kept {
            // The listing's own is among them and closed already: EBADF is as good.
            close(descriptor)
        }
    }

    /// The log file, nil if none is wanted. Throws if it cannot be opened.
    static func openLog(_ path: String?) throws(Failure) -> Int32? {
        guard let path else { return nil }
        let log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else {
            throw Failure(
                .denied,
                "The log file \(path) cannot be opened: \(String(cString: strerror(errno))).",
                advice: "Give a file in a folder that exists and is writable.")
        }
        return log
    }

    /// A session of its own, no folder kept busy, and standard streams that lead nowhere, or into
    /// the log.
    static func enter(log: Int32?) {
        setsid()
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        // Fails only where / cannot be entered, and then the current folder is as good.
        _ = chdir("/")
        redirect(0, to: null)
        redirect(1, to: log ?? null)
        redirect(2, to: log ?? null)
        for descriptor in [null, log ?? -1] where descriptor > 2 { close(descriptor) }
        if log == nil { Report.useSystemLog() } else { Report.useLogFile(2) }
    }

    /// Who stays in the foreground tells there what there is to tell, unless a file is named, or
    /// standard error leads to the journal, which then gets fields besides the text.
    static func chooseLog(inForeground log: Int32?) {
        if let log { return Report.useLogFile(log) }
        if Journal.isBehind(2) { Report.useSystemLog() }
    }

    private static func redirect(_ stream: Int32, to descriptor: Int32) {
        if descriptor >= 0 { dup2(descriptor, stream) }
    }
}
