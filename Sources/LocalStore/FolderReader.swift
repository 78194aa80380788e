import ChunkStore
import Glibc

/// Reads the names in a folder.
enum FolderReader {
    /// Every entry but `.` and `..`. A link is an entry that is not a folder.
    static func entries(
        of folder: borrowing Descriptor, _ operation: String
    ) throws(StoreError) -> [StoreEntry] {
        guard let found = folder.host.entries(folder.number) else {
            throw StoreError(errno: errno, operation)
        }
        var entries: [StoreEntry] = []
        entries.reserveCapacity(found.count)
        for (name, type) in found {
            let isFolder = try isFolder(name, type: type, in: folder, operation)
            entries.append(StoreEntry(name: name, isFolder: isFolder))
        }
        return entries
    }

    private static func isFolder(
        _ name: String, type: Int, in folder: borrowing Descriptor, _ operation: String
    ) throws(StoreError) -> Bool {
        guard type == DT_UNKNOWN else { return type == DT_DIR }
        var status = stat()
        try check(folder.host.fstatat(folder.number, name, &status), operation)
        return status.st_mode & S_IFMT == S_IFDIR
    }
}
