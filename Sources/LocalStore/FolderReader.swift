import ChunkStore
import Glibc

/// Reads the names in a folder.
enum FolderReader {
    /// Every entry but `.` and `..`. A link is an entry that is not a folder.
    static func entries(
        of folder: borrowing Descriptor, _ operation: String
    ) throws(StoreError) -> [StoreEntry] {
        // A description of its own: a shared one would share the position in the folder.
        let copy = openat(folder.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw StoreError(errno: errno, operation) }
        guard let stream = fdopendir(copy) else {
            let code = errno
            close(copy)
            throw StoreError(errno: code, operation)
        }
        defer { closedir(stream) }
        var entries: [StoreEntry] = []
        while true {
            // readdir tells its end from a failure only by errno.
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw StoreError(errno: errno, operation) }
                return entries
            }
            let name = Self.name(of: entry)
            if name == "." || name == ".." { continue }
            let isFolder = try Self.isFolder(
                name, type: Int(entry.pointee.d_type), in: folder, operation)
            entries.append(StoreEntry(name: name, isFolder: isFolder))
        }
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
        // d_name is an array of fixed length only in name: the bytes end at the NUL.
        let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        let bytes = UnsafeRawPointer(entry).advanced(by: offset)
        return String(cString: bytes.assumingMemoryBound(to: CChar.self))
    }

    private static func isFolder(
        _ name: String, type: Int, in folder: borrowing Descriptor, _ operation: String
    ) throws(StoreError) -> Bool {
        guard type == DT_UNKNOWN else { return type == DT_DIR }
        var status = stat()
        try check(fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW), operation)
        return status.st_mode & S_IFMT == S_IFDIR
    }
}
