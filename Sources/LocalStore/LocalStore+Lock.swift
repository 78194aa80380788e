import ChunkStore
import Glibc
import Synchronization

/// The lock is flock(2) on the file `.lock`, which is made once and never replaced: the kernel
/// frees it when its holder ends, however that happens. It excludes other processes and other
/// `LocalStore`s of this one alike. What is written in the file only names the holder.
extension LocalStore {
    static let lockName = ".lock"

    public func lockExclusively(holder: String) throws(StoreError) -> any StoreLock {
        let operation = "lock store \(path)"
        try checkWritable(operation)
        let file = try open(Self.lockName, in: root, O_RDWR | O_CREAT, operation)
        let (number, host) = (file.number, file.host)
        if retrying({ host.lock(number, LOCK_EX | LOCK_NB) }) != 0 {
            guard errno == EWOULDBLOCK else { throw StoreError(errno: errno, operation) }
            let cause = LockText(readFrom: file)?.description ?? "in use by another process"
            throw StoreError(.locked, operation: operation, cause: cause)
        }
        try LockText(holder: holder).write(to: file, operation)
        try settle()
        return LocalLock(file)
    }
}

private final class LocalLock: StoreLock {
    /// nil once released.
    private let file: Mutex<Descriptor?>

    init(_ file: consuming Descriptor) { self.file = Mutex(file) }

    deinit { release() }

    func release() {
        file.withLock { file in
            guard let number = file?.number, let host = file?.host else { return }
            // The name of a holder that is gone would only mislead.
            _ = host.ftruncate(number, 0)
            // Not left to close(2): a child process may have inherited the descriptor.
            _ = host.lock(number, LOCK_UN)
            file = nil
        }
    }
}
