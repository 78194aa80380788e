extension MemoryStore: StoreSurvey {
    public func survey(_ folder: ObjectName?) throws(StoreError) -> [SurveyedEntry] {
        let prefix = folder.map { $0.path + "/" } ?? ""
        return try contents.withLock { state throws(StoreError) in
            if let folder { try state.checkFolder(folder, "survey \(folder)") }
            return state.nodes.compactMap { path, node in
                guard path.hasPrefix(prefix) else { return nil }
                let name = path.dropFirst(prefix.count)
                if name.contains("/") { return nil }
                guard case .file(let number) = node else {
                    return SurveyedEntry(name: String(name), kind: .folder, length: 0)
                }
                return SurveyedEntry(
                    name: String(name), kind: .file, length: state.files[number]?.length ?? 0)
            }
        }
    }

    public func lockForReading() throws(StoreError) -> any StoreLock {
        try lockExclusively(holder: "a check")
    }
}
