import ChunkStore

extension PoolStore {
    private typealias Entry = PoolContents.Entry

    private func find(
        _ name: ObjectName, by client: PoolClient, _ call: String
    ) throws(StoreError) -> Entry? {
        let (entry, isFolder) = try client.read(call) {
            ($0.names[name.path], $0.folders.contains(name.path))
        }
        if isFolder { throw StoreError(.foreign, operation: call, cause: "it is a folder") }
        return entry
    }

    /// The name stands for another entry from now on; `.changed` if it did not stand for this one.
    private func set(
        _ name: ObjectName, from old: Entry?, to new: Entry?, by client: PoolClient, _ call: String
    ) throws(StoreError) -> PoolContents.Answer {
        let folder = name.components.dropLast().joined(separator: "/")
        let text = "set \(name) to \(new.map { "\($0.id)" } ?? "nothing")"
        let change = PoolChange(text, of: folder) {
            $0.setEntry(name.path, from: old?.id, to: new)
        }
        return try client.change(call, [change])
    }

    // MARK: Chunks

    func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        let call = "create \(name)"
        let client = try changingClient(of: name, call)
        if try find(name, by: client, call) != nil { throw Self.taken(call) }
        let entry = Entry(id: pool.newNumber(), kind: .chunk(length: Int(length)))
        try client.change(
            call,
            [
                PoolChange("note \(entry.id)", of: "journal") {
                    $0.note(entry.id, of: name.path)
                    return .done
                }
            ])
        let file = PoolFile(name, entry.id, length: Int(length), of: self, client)
        do throws(StoreError) {
            try file.allocate(call)
            try file.put(beginning, at: 0, call)
        } catch {
            removedChunks.insert(entry.id)
            throw error
        }
        let answer = try set(name, from: nil, to: entry, by: client, call)
        if answer == .done { return file }
        removedChunks.insert(entry.id)
        throw answer == .full ? Self.full(call) : Self.taken(call)
    }

    func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        let call = "open \(name)"
        let client = client(of: name)
        guard let entry = try find(name, by: client, call) else { throw Self.notFound(call) }
        guard case .chunk(let length) = entry.kind else {
            throw StoreError(.foreign, operation: call, cause: "it is not a chunk")
        }
        return PoolFile(name, entry.id, length: length, of: self, client)
    }

    func remove(_ name: ObjectName) throws(StoreError) {
        let call = "remove \(name)"
        let client = try changingClient(of: name, call)
        while true {
            guard let entry = try find(name, by: client, call) else { throw Self.notFound(call) }
            guard try set(name, from: entry, to: nil, by: client, call) == .done else { continue }
            if case .chunk(let length) = entry.kind {
                try discard(entry.id, length: length, by: client, call)
            }
            return
        }
    }

    // MARK: Objects

    func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        let call = "read \(name)"
        guard let entry = try find(name, by: client(of: name), call) else {
            throw Self.notFound(call)
        }
        guard case .object(let bytes) = entry.kind else {
            throw StoreError(.foreign, operation: call, cause: "it is not an object")
        }
        guard bytes.count <= limit else {
            throw StoreError(.tooLarge, operation: call, cause: "\(bytes.count) bytes")
        }
        return VersionedObject(bytes: bytes, version: entry.version)
    }

    func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        let call = "replace \(name)"
        let client = try changingClient(of: name, call)
        let new = Entry(id: pool.newNumber(), kind: .object(bytes))
        while true {
            let old = try find(name, by: client, call)
            if condition == .absent, old != nil { throw Self.taken(call) }
            if case .version(let version) = condition, old?.version != version {
                throw StoreError(.conflict, operation: call, cause: "it is another version")
            }
            switch try set(name, from: old, to: new, by: client, call) {
            case .done: return new.version
            case .full: throw Self.full(call)
            case .changed, .refused: continue
            }
        }
    }

    // MARK: Folders and space

    func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try client(of: folder).read("list \(folder)") { $0.list(folder.path) }
            .map { StoreEntry(name: $0.name, isFolder: $0.isFolder) }
    }

    /// From the bottom.
    func removeFolder(_ folder: ObjectName) throws(StoreError) {
        let call = "remove folder \(folder)"
        let client = try changingClient(of: folder, call)
        for entry in try list(folder) {
            guard let below = ObjectName("\(folder)/\(entry.name)") else { continue }
            if entry.isFolder {
                try removeFolder(below)
            } else {
                do throws(StoreError) {
                    try remove(below)
                } catch {
                    guard error.code == .notFound else { throw error }
                }
            }
        }
        let change = PoolChange(call, of: folder.path) { $0.removeFolder(folder.path) }
        try client.change(call, [change])
    }

    func capacity() throws(StoreError) -> StoreCapacity {
        try base().read("capacity") { contents in
            StoreCapacity(
                total: UInt64(contents.quota),
                available: UInt64(max(0, contents.quota - contents.used)))
        }
    }

    func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        let call = "reserve \(bytes)"
        let client = try changingClient(of: name, call)
        while true {
            let old = try find(name, by: client, call)
            let (used, quota) = try client.read(call) { ($0.used, $0.quota) }
            let held = old?.size ?? 0
            let size = min(Int(bytes), max(held, held + quota - used))
            if size == held { return UInt64(size) }
            let new =
                size == 0 ? nil : Entry(id: pool.newNumber(), kind: .reserve(size))
            switch try set(name, from: old, to: new, by: client, call) {
            case .done: return UInt64(size)
            case .full: return UInt64(held)
            case .changed, .refused: continue
            }
        }
    }

    static func notFound(_ call: String) -> StoreError {
        StoreError(.notFound, operation: call, cause: "nothing has that name")
    }

    static func taken(_ call: String) -> StoreError {
        StoreError(.alreadyExists, operation: call, cause: "the name is taken")
    }

    static func full(_ call: String) -> StoreError {
        StoreError(.noSpace, operation: call, cause: "the pool's quota is used up")
    }
}
