import ChunkStore

extension S3Store: StoreSurvey {
    public func survey(_ folder: ObjectName?) throws(StoreError) -> [SurveyedEntry] {
        let prefix = folder.map { "\($0)/" } ?? ""
        var found: [String: SurveyedEntry] = [:]
        for top in ["objects/", "chunks/"] {
            let listing = try bucket.objects.list(top + prefix, isDeep: false)
            for name in listing.folders {
                found[name] = SurveyedEntry(name: name, kind: .folder, length: 0)
            }
            for object in listing.objects where object.size > ObjectEnvelope.removedSize {
                let leaf = String(object.key.text.dropFirst(top.utf8.count + prefix.utf8.count))
                guard let name = ObjectName(prefix + leaf) else {
                    found[leaf] = SurveyedEntry(name: leaf, kind: .other, length: object.size)
                    continue
                }
                if top == "chunks/" {
                    found[leaf] = try surveyChunk(name, leaf)
                } else if try doesCount(name) {
                    let length = object.size - min(object.size, UInt64(ObjectEnvelope.size))
                    found[leaf] = SurveyedEntry(name: leaf, kind: .file, length: length)
                }
            }
        }
        for name in uploads.names(onlyWaiting: true) where name.path.hasPrefix(prefix) {
            let rest = name.path.dropFirst(prefix.utf8.count)
            let leaf = String(rest.prefix { $0 != "/" })
            found[leaf] =
                leaf.utf8.count < rest.utf8.count
                ? SurveyedEntry(name: leaf, kind: .folder, length: 0)
                : try surveyChunk(name, leaf)
        }
        return Array(found.values)
    }

    /// A chunk has the length that its index says; one without a good index is none.
    private func surveyChunk(
        _ name: ObjectName, _ leaf: String
    ) throws(StoreError) -> SurveyedEntry {
        do {
            let length = try openFile(name).size().length
            return SurveyedEntry(name: leaf, kind: .file, length: length)
        } catch {
            guard error.code == .foreign else { throw error }
            return SurveyedEntry(name: leaf, kind: .other, length: 0)
        }
    }

    /// The lease itself: a bucket has no lock that several readers share, and what this host has
    /// not uploaded yet is to be seen, too.
    public func lockForReading() throws(StoreError) -> any StoreLock {
        try lockExclusively(holder: "sealdisk (reading)")
    }
}
