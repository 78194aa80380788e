import ChunkStore

// Each call goes to the store of the name that it is about.
extension SharedRADOSStore {
    public var chunkKind: ChunkKind { .appendable }

    public func createFile(
        _ name: ObjectName, length: UInt64, beginning: [UInt8]
    ) throws(StoreError) -> any ChunkFile {
        try ofChunk(name, "create").createFile(name, length: length, beginning: beginning)
    }

    public func recycleFile(
        _ old: ObjectName, as name: ObjectName, length: UInt64, beginning: [UInt8], blank: UInt64
    ) throws(StoreError) -> any ChunkFile {
        let store = try ofChunk(name, "create")
        guard try ofChunk(old, "recycle") === store else {
            try remove(old)
            return try createFile(name, length: length, beginning: beginning)
        }
        return try store.recycleFile(
            old, as: name, length: length, beginning: beginning, blank: blank)
    }

    /// Chunks of a store that several hosts have lie in folders that one of them has.
    private func ofChunk(_ name: ObjectName, _ what: String) throws(StoreError) -> RADOSStore {
        if member != nil, Scope.folder(of: name) == nil {
            throw StoreError(
                .fenced, operation: "\(what) \(name)",
                cause: "it lies in no folder that this host could take")
        }
        return try store(of: name)
    }

    public func openFile(_ name: ObjectName) throws(StoreError) -> any ChunkFile {
        try store(of: name).openFile(name)
    }

    public func remove(_ name: ObjectName) throws(StoreError) {
        guard let member = try changingCommons(name) else {
            return try store(of: name).remove(name)
        }
        try inCommons(as: member) { store throws(StoreError) in try store.remove(name) }
    }

    public func readVersioned(
        _ name: ObjectName, limit: Int
    ) throws(StoreError) -> VersionedObject {
        try store(of: name).readVersioned(name, limit: limit)
    }

    public func replaceObject(
        _ name: ObjectName, with bytes: [UInt8], if condition: ReplaceCondition
    ) throws(StoreError) -> ObjectVersion {
        guard let member = try changingCommons(name) else {
            return try store(of: name).replaceObject(name, with: bytes, if: condition)
        }
        let common = try base().common
        // It is one order if neither the old nor the new one lies in pieces.
        if bytes.count <= Entry.inlineLimit,
            try common.folders.find(name, "replace \(name)")?.entry.placement == nil
        {
            _ = try common.demandNobodyHasTheWhole(holder: member)
            return try common.replaceObject(name, with: bytes, if: condition)
        }
        return try inCommons(as: member) { store throws(StoreError) in
            try store.replaceObject(name, with: bytes, if: condition)
        }
    }

    public func list(_ folder: ObjectName) throws(StoreError) -> [StoreEntry] {
        try store(of: folder).list(folder)
    }

    public func removeFolder(_ folder: ObjectName) throws(StoreError) {
        guard let member = try changingCommons(folder) else {
            return try store(of: folder).removeFolder(folder)
        }
        try inCommons(as: member) { store throws(StoreError) in try store.removeFolder(folder) }
    }

    public func capacity() throws(StoreError) -> StoreCapacity { try base().common.capacity() }

    /// One for all hosts. Where another changes it at this moment, what it makes of it holds.
    public func reserve(_ bytes: UInt64, name: ObjectName) throws(StoreError) -> UInt64 {
        guard let member = try changingCommons(name) else {
            return try base().common.reserve(bytes, name: name)
        }
        do throws(StoreError) {
            return try inCommons(as: member, isPatient: bytes == 0) { store throws(StoreError) in
                try store.reserve(bytes, name: name)
            }
        } catch {
            guard error.code == .locked, bytes > 0 else { throw error }
            return try base().visitor.reserved(name)
        }
    }

    /// As whom a name is changed that lies in no folder of a store that was joined; nil: it lies in
    /// one, or the store was not joined. Throws `.fenced` for the folder of all that can be taken.
    private func changingCommons(_ name: ObjectName) throws(StoreError) -> String? {
        guard let member, Scope.folder(of: name) == nil else { return nil }
        if name.components.first == "lineages" {
            throw StoreError(
                .fenced, operation: "change \(name)", cause: "what lies in it is taken one by one")
        }
        return member
    }
}

extension SharedRADOSStore: StoreSurvey {
    public func survey(_ folder: ObjectName?) throws(StoreError) -> [SurveyedEntry] {
        try base().common.survey(folder)
    }

    public func lockForReading() throws(StoreError) -> any StoreLock {
        let common = try base().common
        if common.isReadOnly { return try common.lockForReading() }
        return try lockExclusively(holder: "sealdisk (reading)")
    }
}
