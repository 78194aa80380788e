import ChunkStore
import Glibc

/// An open file descriptor with one owner, closed at its end.
struct Descriptor: ~Copyable, Sendable {
    let number: Int32
    let host: any HostCalls

    deinit { host.close(number) }

    /// Opens `name` below the folder `parent`, never through a link. Throws by errno.
    init(
        opening name: String, in parent: borrowing Descriptor, flags: Int32, mode: mode_t = 0,
        _ operation: String
    ) throws(StoreError) {
        let (host, parent) = (parent.host, parent.number)
        self.host = host
        number = retrying { host.openat(parent, name, flags | O_CLOEXEC | O_NOFOLLOW, mode) }
        guard number >= 0 else { throw StoreError(errno: errno, operation) }
    }

    /// Opens a folder by a path of the host, where links are the user's own business.
    init(
        folderAt path: String, on host: any HostCalls = Kernel(), _ operation: String
    ) throws(StoreError) {
        self.host = host
        number = retrying { host.openFolder(path) }
        guard number >= 0 else { throw StoreError(errno: errno, operation) }
    }

    func status(_ operation: String) throws(StoreError) -> stat {
        var status = stat()
        try check(host.fstat(number, &status), operation)
        return status
    }

    /// Throws `.foreign` unless this is a regular file. With `forWriting`, it must also have no
    /// other name and belong to this user or to the store's owner: what else was planted under the
    /// name is somebody else's file, which a write would reach outside of the store.
    func checkRegular(forWriting: Bool, owner: uid_t, _ operation: String) throws(StoreError) {
        let status = try status(operation)
        let cause: String? =
            if status.st_mode & S_IFMT != S_IFREG {
                "not a regular file"
            } else if forWriting, status.st_nlink > 1 {
                "it has \(status.st_nlink) names (hard links), so it is not the store's alone"
            } else if forWriting, status.st_uid != geteuid(), status.st_uid != owner {
                "it belongs to user \(status.st_uid), who is not the store's owner"
            } else {
                nil
            }
        if let cause {
            throw StoreError(.foreign, operation: operation, cause: "\(cause); it was left alone")
        }
    }

    /// Removes a name from this folder if that can be done; what cannot stays.
    func discard(_ name: String) { _ = host.unlinkat(number, name, 0) }

    /// Makes contents and size durable; of a folder, the names in it.
    func synchronize(_ operation: String) throws(StoreError) {
        try check(retrying { host.fsync(number) }, operation)
    }

    /// Fills the buffer from `offset`; fewer bytes only at the end of the file.
    ///
    /// What the operation is called is made up only if it fails, here as in `write`: there are
    /// several of them for each block that is read or written.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: off_t,
        _ operation: @autoclosure () -> String
    ) throws(StoreError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = retrying { host.pread(number, rest, offset + off_t(done)) }
            guard count >= 0 else {
                let code = errno
                throw StoreError(errno: code, "\(operation()) at \(offset + off_t(done))")
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func write(
        _ bytes: [UInt8], at offset: off_t, _ operation: @autoclosure () -> String
    ) throws(StoreError) {
        try bytes.withUnsafeBufferPointer { buffer throws(StoreError) in
            try write(UnsafeRawBufferPointer(buffer), at: offset, operation())
        }
    }

    /// Writes the whole buffer at `offset`.
    func write(
        _ buffer: UnsafeRawBufferPointer, at offset: off_t,
        _ operation: @autoclosure () -> String
    ) throws(StoreError) {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
            let count = retrying { host.pwrite(number, rest, offset + off_t(done)) }
            guard count > 0 else {
                // A write of nothing is no progress: on a regular file that is a failing medium.
                let code = count == 0 ? EIO : errno
                throw StoreError(errno: code, "\(operation()) at \(offset + off_t(done))")
            }
            done += count
        }
    }
}

/// Repeats a call that a signal interrupted.
func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// Throws by errno if a call returned -1.
func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(StoreError) {
    guard result < 0 else { return }
    let code = errno  // before anything else may change it
    throw StoreError(errno: code, operation())
}

extension StoreError {
    /// The one table from errno to what a caller acts on.
    init(errno number: Int32, _ operation: String) {
        let code: Code =
            switch number {
            case ENOENT: .notFound
            case EEXIST: .alreadyExists
            case ENOSPC, EDQUOT: .noSpace
            case EROFS: .readOnly
            case EACCES, EPERM: .denied
            case ELOOP, ENOTDIR, EISDIR, ENXIO, ENODEV: .foreign
            case EMFILE, ENFILE: .tooManyFiles
            default: .io
            }
        // ELOOP and ENOTDIR are how the kernel says that it was told not to follow a link.
        let cause =
            switch number {
            case ELOOP: "it is a symbolic link, and those are not followed"
            case EMFILE: "too many open files; raise the limit (ulimit -n, LimitNOFILE= in a unit)"
            case ENOTDIR: "not a folder, or a symbolic link, and those are not followed"
            case ENXIO, ENODEV: "not a regular file"
            default: String(cString: strerror(number))
            }
        self.init(code, operation: operation, cause: cause)
    }
}
