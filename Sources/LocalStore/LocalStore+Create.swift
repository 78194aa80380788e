import ChunkStore
import Glibc

extension LocalStore {
    /// Makes the folder of a new store, durably; the folder above it must exist. A folder that is
    /// there is taken if it is empty, or the top of an empty file system.
    /// Throws `.alreadyExists` if there is anything in it, `.notFound`, `.readOnly`, `.io`.
    public static func create(at path: String) throws(StoreError) -> LocalStore {
        let operation = "create store \(path)"
        let isNew = mkdir(path, 0o700) == 0
        if !isNew, errno != EEXIST { throw StoreError(errno: errno, operation) }
        let store = try LocalStore(path: path)
        let folder = try Descriptor(
            opening: ".", in: store.root, flags: O_RDONLY | O_DIRECTORY, operation)
        let entries = try FolderReader.entries(of: folder, operation)
        guard entries.allSatisfy({ $0.name == "lost+found" }) else {
            throw StoreError(
                .alreadyExists, operation: operation,
                cause: "the folder is not empty; choose a new or an empty one")
        }
        if isNew {
            let parent = try Descriptor(
                opening: "..", in: store.root, flags: O_RDONLY | O_DIRECTORY, operation)
            try parent.synchronize(operation)
        }
        return store
    }
}
