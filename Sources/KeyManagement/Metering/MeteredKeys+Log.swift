import Glibc

extension MeteredKeys {
    /// The log's files in the order they were written: those that rotation named `key-use.log.N`,
    /// the highest first, while there are any, and the present one.
    public var logFiles: [String] { log.files }

    /// Hands each line of the log, or of the files that are named, to `visit`, without its end and
    /// unverified. Throws `.io`, also for a named file that is not there.
    public func readLog(
        _ named: [String] = [], _ visit: (ArraySlice<UInt8>) -> Void
    ) throws(KeyError) {
        for file in named.isEmpty ? logFiles : named {
            guard var lines = try KeyUseLogLines(file) else {
                if named.isEmpty { continue }
                throw KeyError(.io, "there is no file \(file)")
            }
            while let line = try lines.next() {
                if line.isWhole { visit(line.bytes) }
            }
        }
    }

    /// Follows the chain of the log, or of the files that are named in the order they were written.
    /// Throws `.io` where they cannot be read.
    public func verifyLog(_ named: [String] = []) throws(KeyError) -> KeyUseLogReport {
        var check = KeyUseLogCheck()
        // Read first: what is appended meanwhile then is behind it, and no damage.
        let isPresentLog = named.isEmpty || named.last == log.path
        let head = isPresentLog ? try log.head() : nil
        for file in named.isEmpty ? logFiles : named {
            let isThere = try check.read(file)
            guard isThere || named.isEmpty else {
                throw KeyError(.io, "there is no file \(file)")
            }
        }
        if isPresentLog { check.end(at: head) }
        return check.finished()
    }
}

extension KeyUseLog {
    var files: [String] {
        var rotated: [String] = []
        while access("\(path).\(rotated.count + 1)", F_OK) == 0 {
            rotated.append("\(path).\(rotated.count + 1)")
        }
        return rotated.reversed() + [path]
    }

    /// What the head's file says; nil without one. Makes none, and changes none: a copy on a
    /// read-only medium can be verified. Throws `.io`.
    func head() throws(KeyError) -> KeyUseLogHead? {
        let flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW
        guard let file = try FileDescriptor.openIfPresent(headPath, flags) else { return nil }
        guard try file.status().st_mode & S_IFMT == S_IFREG else {
            throw KeyError(.io, "\(headPath) is not a regular file")
        }
        try file.lock()
        return try KeyUseLogHead.read(file)
    }
}
