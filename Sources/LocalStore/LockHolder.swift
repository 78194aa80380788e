import ChunkStore
import Glibc

/// Who holds a store, seen from outside: nothing is locked or changed to find out.
public struct LockHolder: Sendable, Hashable {
    /// What the holder calls itself, for instance `sealdisk mount /mnt/disks`.
    public let name: String
    public let process: Int32

    /// The process on this host that holds the store at `path`; nil if none does, or if the store
    /// cannot be seen. The text of the lock file only claims; the kernel's list of locks confirms
    /// it, so that a stale text never names a living process.
    public static func current(ofStoreAt path: String) -> LockHolder? {
        let operation = "look at the lock of \(path)"
        do {
            let root = try Descriptor(folderAt: path, operation)
            let file = try Descriptor(
                opening: LocalStore.lockName, in: root, flags: O_RDONLY | O_NONBLOCK,
                operation)
            let status = try file.status(operation)
            guard status.st_mode & S_IFMT == S_IFREG, let text = LockText(readFrom: file),
                let process = Int32(text.process), process > 0,
                isLocked(inode: UInt64(status.st_ino), by: process)
            else { return nil }
            return LockHolder(name: text.holder, process: process)
        } catch {
            return nil
        }
    }

    /// Whether the process has this file locked exclusively (proc_locks(5)): lines of the form
    /// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`. The device is not compared: some file
    /// systems show another one there than to stat(2).
    private static func isLocked(inode: UInt64, by process: Int32) -> Bool {
        guard let locks = kernelLocks() else { return false }
        return locks.split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            return fields.count > 5 && fields[1] == "FLOCK" && fields[3] == "WRITE"
                && fields[4] == "\(process)" && fields[5].hasSuffix(":\(inode)")
        }
    }

    private static func kernelLocks() -> String? {
        guard let file = fopen("/proc/locks", "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
