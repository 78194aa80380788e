import ChunkStore

extension RADOSStore: StoreSurvey {
    public func survey(_ folder: ObjectName?) throws(StoreError) -> [SurveyedEntry] {
        let operation = "survey \(folder?.path ?? "the store")"
        var found: [SurveyedEntry] = []
        for (name, entry) in try folders.list(path: folder?.path ?? "", operation) {
            switch entry {
            case .folder: found.append(SurveyedEntry(name: name, kind: .folder, length: 0))
            case .chunk(let placement):
                found.append(
                    SurveyedEntry(name: name, kind: .file, length: placement.length))
            case .object(let length, _):
                found.append(SurveyedEntry(name: name, kind: .file, length: length))
            case nil: found.append(SurveyedEntry(name: name, kind: .other, length: 0))
            }
        }
        return found
    }

    /// The lease itself: the cluster has no lock that several readers share with its lease. Of a
    /// store that was opened read-only nothing is held.
    public func lockForReading() throws(StoreError) -> any StoreLock {
        if isReadOnly { return NoLock() }
        return try lockExclusively(holder: "sealdisk (reading)")
    }
}

/// Of who may not change anything.
private final class NoLock: StoreLock {
    func release() {}
}
