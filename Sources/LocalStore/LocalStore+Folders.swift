import ChunkStore
import Glibc

extension LocalStore {
    /// How deep `removeFolder` goes; no `ObjectName` is made of more components.
    private static let depthLimit = 512

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        let operation = "list \(folder)"
        guard let descriptor = try openFolder(folder, operation) else { return [] }
        return try FolderReader.entries(of: descriptor, operation).compactMap { entry in
            // A name that no caller could ask for is not part of the store.
            ObjectName(entry.name) == nil ? nil : entry
        }
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        let operation = "remove folder \(folder)"
        try checkWritable(operation)
        guard let descriptor = try openFolder(folder, operation) else { return }
        try Self.empty(descriptor, depth: 0, operation)
        let place = try place(of: folder, creating: false, operation)
        durableFolders.withLock { folders in
            folders = folders.filter {
                $0 != folder.path && !$0.hasPrefix(folder.path + "/")
            }
        }
        try check(
            place.folder.host.unlinkat(place.folder.number, place.leaf, AT_REMOVEDIR), operation)
        try place.folder.synchronize(operation)
    }

    /// Where `name` is or will be. With `creating`, missing folders are made, and when this returns
    /// they and those that were found are durable.
    func place(
        of name: ObjectName, creating: Bool, _ operation: String
    ) throws(StoreError) -> Place {
        let components = name.components
        let folder = try walk(components.dropLast(), creating: creating, operation)
        return Place(folder: folder, leaf: String(components[components.count - 1]))
    }

    /// nil if there is no such folder.
    private func openFolder(
        _ folder: ObjectName, _ operation: String
    ) throws(StoreError) -> Descriptor? {
        do throws(StoreError) {
            return try walk(folder.components[...], creating: false, operation)
        } catch {
            if error.code == .notFound { return nil }
            throw error
        }
    }

    private func walk(
        _ components: ArraySlice<Substring>, creating: Bool, _ operation: String
    ) throws(StoreError) -> Descriptor {
        var folder = try Descriptor(
            opening: ".", in: root, flags: O_RDONLY | O_DIRECTORY, operation)
        var path = ""
        for component in components {
            path += path.isEmpty ? component : "/" + component
            if creating { try makeDurable(path, String(component), in: folder, operation) }
            folder = try Descriptor(
                opening: String(component), in: folder, flags: O_RDONLY | O_DIRECTORY,
                operation)
        }
        return folder
    }

    /// Makes a folder if it is not there. One that is there may be another process's that ended
    /// before its name was durable, so it is made durable all the same, once.
    private func makeDurable(
        _ path: String, _ name: String, in parent: borrowing Descriptor, _ operation: String
    ) throws(StoreError) {
        if durableFolders.withLock({ $0.contains(path) }) { return }
        if parent.host.mkdirat(parent.number, name, 0o700) != 0, errno != EEXIST {
            throw StoreError(errno: errno, operation)
        }
        try parent.synchronize(operation)
        durableFolders.withLock { _ = $0.insert(path) }
    }

    private static func empty(
        _ folder: borrowing Descriptor, depth: Int, _ operation: String
    ) throws(StoreError) {
        guard depth < depthLimit else {
            throw StoreError(.io, operation: operation, cause: "folders nested too deeply")
        }
        for entry in try FolderReader.entries(of: folder, operation) {
            if entry.isFolder {
                let inner = try Descriptor(
                    opening: entry.name, in: folder, flags: O_RDONLY | O_DIRECTORY,
                    operation)
                try empty(inner, depth: depth + 1, operation)
            }
            let flags = entry.isFolder ? AT_REMOVEDIR : 0
            try check(
                folder.host.unlinkat(folder.number, entry.name, flags),
                "\(operation): \(entry.name)")
        }
    }
}

/// A name seen from the folder it is in.
struct Place: ~Copyable, Sendable {
    let folder: Descriptor
    let leaf: String
}
