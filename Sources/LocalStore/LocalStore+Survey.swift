import ChunkStore
import Glibc
import Synchronization

extension LocalStore: StoreSurvey {
    public func survey(_ folder: ObjectName?) throws(StoreError) -> [SurveyedEntry] {
        let operation = "survey \(folder?.path ?? path)"
        var descriptor = try Descriptor(
            opening: ".", in: root, flags: O_RDONLY | O_DIRECTORY, operation)
        do throws(StoreError) {
            for component in folder?.components ?? [] {
                descriptor = try Descriptor(
                    opening: String(component), in: descriptor,
                    flags: O_RDONLY | O_DIRECTORY, operation)
            }
        } catch {
            if error.code == .notFound { return [] }
            throw error
        }
        var found: [SurveyedEntry] = []
        for entry in try FolderReader.entries(of: descriptor, operation) {
            var status = stat()
            try check(
                descriptor.host.fstatat(descriptor.number, entry.name, &status),
                "\(operation): \(entry.name)")
            let kind: SurveyedEntry.Kind =
                switch status.st_mode & S_IFMT {
                case S_IFREG: .file
                case S_IFDIR: .folder
                case S_IFLNK: .link
                default: .other
                }
            found.append(
                SurveyedEntry(
                    name: entry.name, kind: kind,
                    length: kind == .file ? UInt64(status.st_size) : 0,
                    links: kind == .file ? Int(status.st_nlink) : 1))
        }
        return found
    }

    /// A shared flock(2) on the lock file, which needs no right to write. A folder without that
    /// file is a copy that no process ever opened; there is nothing to hold on to, and making one
    /// would be a trace.
    public func lockForReading() throws(StoreError) -> any StoreLock {
        let operation = "lock store \(path) for reading"
        let file: Descriptor
        do throws(StoreError) {
            file = try open(Self.lockName, in: root, O_RDONLY, operation)
        } catch {
            if error.code == .notFound { return SharedLock() }
            throw error
        }
        let (number, host) = (file.number, file.host)
        if retrying({ host.lock(number, LOCK_SH | LOCK_NB) }) != 0 {
            guard errno == EWOULDBLOCK else { throw StoreError(errno: errno, operation) }
            let cause = LockText(readFrom: file)?.description ?? "in use by another process"
            throw StoreError(.locked, operation: operation, cause: cause)
        }
        return SharedLock(file)
    }
}

private final class SharedLock: StoreLock {
    /// nil if there is nothing to hold, and once released.
    private let file: Mutex<Descriptor?>

    init() { file = Mutex(nil) }
    init(_ file: consuming Descriptor) { self.file = Mutex(file) }

    deinit { release() }

    func release() {
        file.withLock { file in
            guard let number = file?.number, let host = file?.host else { return }
            // Not left to close(2): a child process may have inherited the descriptor.
            _ = host.lock(number, LOCK_UN)
            file = nil
        }
    }
}
