import ChunkStore
import Testing

/// A call of each kind, each of which succeeds on a store that `prepared` has made.
enum StoreCalls {
    /// `chunk`, a file of ten bytes, and `object`, of one.
    static func prepared(_ store: any ChunkStore) throws -> any ChunkFile {
        try store.replaceObject(try name("object"), with: [1])
        return try store.createFile(try name("chunk"), length: 10)
    }

    static func call(
        _ operation: StoreOperation, on store: any ChunkStore, _ file: any ChunkFile
    ) throws {
        switch operation {
        case .createFile: _ = try store.createFile(try name("new"), length: 1)
        case .recycleFile:
            _ = try store.recycleFile(
                try name("object"), as: try name("new"), length: 1, beginning: [], blank: 1)
        case .openFile: _ = try store.openFile(try name("chunk"))
        case .remove: try store.remove(try name("object"))
        case .readObject: _ = try store.readObject(try name("object"), limit: 1)
        case .replaceObject: try store.replaceObject(try name("object"), with: [])
        case .list: _ = try store.list(try name("folder"))
        case .removeFolder: try store.removeFolder(try name("folder"))
        case .lockExclusively: _ = try store.lockExclusively(holder: "test")
        case .capacity: _ = try store.capacity()
        case .reserve: _ = try store.reserve(1, name: try name("reserve"))
        case .read: _ = try file.bytes(1)
        case .write: try file.write([1], at: 0)
        case .synchronize: try file.synchronize()
        case .dropCache: try file.dropCache()
        case .deallocate: try file.deallocate(at: 0, length: 1)
        case .size: _ = try file.size()
        }
    }
}
