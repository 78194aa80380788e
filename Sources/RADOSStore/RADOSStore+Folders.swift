import ChunkStore

extension RADOSStore {
    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try folders.list(folder, "list \(folder)").map { name, entry in
            StoreEntry(name: name, isFolder: entry == .folder)
        }
    }

    /// From the bottom, so that what is interrupted can be done again.
    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        let operation = "remove \(folder)"
        try checkWritable(operation)
        for (name, entry) in try folders.list(folder, operation) {
            // A name in a list is one of an object, and so is what lies above it.
            guard let below = ObjectName("\(folder)/\(name)") else { continue }
            if entry == .folder {
                try removeFolder(below)
            } else {
                do throws(StoreError) {
                    try remove(below)
                } catch {
                    guard error.code == .notFound else { throw error }
                }
            }
        }
        try folders.removeEmptied(folder, operation)
    }
}
