import ChunkStore

extension SharedRADOSStore: SharedStore {
    public func takeFolder(
        _ folder: ObjectName, holder: String, isFencing: Bool
    ) throws(StoreError) -> TakenFolder {
        try taken.use(folder) { () throws(StoreError) in
            _ = try base().common.demandNobodyHasTheWhole(holder: holder)
            return try TakenPart(
                .folder(folder), of: place, timing: timing, pages: pages, holder: holder,
                fencing: isFencing)
        }
    }

    public func holders() throws(StoreError) -> [ObjectName: String] {
        let operation = "look at who has what of \(place)"
        let session = try base().visitor.session
        var holders: [ObjectName: String] = [:]
        for entry in try PartRegister(session: session).all(operation) {
            guard case .folder(let folder) = entry.scope, let holder = entry.holder,
                taken[folder] == nil,
                try Lease.isHeld(entry.scope, by: holder, session, operation)
            else { continue }
            holders[folder] = holder.holder
        }
        return holders
    }

    public func versions(
        below folder: ObjectName
    ) throws(StoreError) -> [ObjectName: ObjectVersion] {
        let operation = "look at versions below \(folder)"
        let folders = try base().visitor.folders
        var versions: [ObjectName: ObjectVersion] = [:]
        var rest = [folder]
        while let next = rest.popLast() {
            for (name, entry) in try folders.list(path: next.path, operation) {
                guard let entry, let below = ObjectName("\(next)/\(name)") else { continue }
                switch entry {
                // Those of chunks may hold many thousands, and hold nothing else.
                case .folder: if !Self.hasChunksAlone(below) { rest.append(below) }
                case .object: versions[below] = ObjectVersion(entry.encoded)
                case .chunk: continue
                }
            }
        }
        return versions
    }

    /// `lineages/…/chunks`.
    private static func hasChunksAlone(_ folder: ObjectName) -> Bool {
        let parts = folder.components
        return parts.count == 3 && parts[0] == "lineages" && parts[2] == "chunks"
    }
}
