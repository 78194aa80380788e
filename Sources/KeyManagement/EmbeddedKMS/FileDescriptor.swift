import Glibc

/// An open file of the host, closed with its one owner.
struct FileDescriptor: ~Copyable {
    let number: Int32
    let path: String

    /// Throws `.io`, with `missing` false; use `openIfPresent` where absence is no error.
    init(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws(KeyError) {
        number = Glibc.open(path, flags | O_CLOEXEC, mode)
        self.path = path
        guard number >= 0 else { throw KeyError.system("open", path) }
    }

    /// Takes over a descriptor that is open; `path` names it in errors.
    init(number: Int32, path: String) {
        self.number = number
        self.path = path
    }

    /// nil if there is no such file, or no folder for it.
    static func openIfPresent(_ path: String, _ flags: Int32) throws(KeyError) -> FileDescriptor? {
        let number = Glibc.open(path, flags | O_CLOEXEC)
        if number < 0 {
            if errno == ENOENT { return nil }
            throw KeyError.system("open", path)
        }
        return FileDescriptor(number: number, path: path)
    }

    deinit { if number >= 0 { close(number) } }

    func status() throws(KeyError) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw KeyError.system("examine", path) }
        return status
    }

    /// Reads until the buffer is full or the file ends; returns the number of bytes.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(KeyError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = Glibc.read(number, buffer.baseAddress! + done, buffer.count - done)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw KeyError.system("read", path)
            }
            done += count
        }
        return done
    }

    /// Writes all of it.
    func write(_ bytes: [UInt8]) throws(KeyError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(number, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw KeyError.system("write", path)
            }
            done += count
        }
    }

    /// Makes content and length durable.
    func synchronize() throws(KeyError) {
        guard fsync(number) == 0 else { throw KeyError.system("sync", path) }
    }

    /// How long another process is waited for, in seconds: it holds a lock for moments.
    static let lockPatience = 10.0

    /// Waits for this open file's exclusive lock, which ends when the file is closed. Throws `.io`
    /// if somebody else keeps it for longer than `lockPatience`.
    func lock() throws(KeyError) {
        let step: UInt32 = 5000  // microseconds
        var tries = Int(Self.lockPatience * 1e6) / Int(step)
        while flock(number, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EINTR || errno == EWOULDBLOCK else {
                throw KeyError.system("lock", path)
            }
            guard tries > 0 else {
                throw KeyError(
                    .io,
                    "\(path) is locked by another process for more than \(Int(Self.lockPatience))"
                        + " seconds; see who has it open (fuser \(path)) and end it")
            }
            tries -= 1
            usleep(step)
        }
    }
}
