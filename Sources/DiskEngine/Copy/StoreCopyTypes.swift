import ChunkStore

/// One end of a copy: a store's files, and the same as they lie there.
public struct CopyEnd: Sendable {
    let files: any ChunkStore
    let survey: any StoreSurvey

    public init(_ files: any ChunkStore, survey: any StoreSurvey) {
        self.files = files
        self.survey = survey
    }

    public init(_ store: some ChunkStore & StoreSurvey) { self.init(store, survey: store) }
}

/// How far a copy is, in bytes of the files' lengths.
public struct CopyProgress: Sendable, Hashable {
    public enum Stage: Sendable { case copying, verifying }

    public let stage: Stage
    public internal(set) var done: UInt64
    public let all: UInt64
    /// Bytes since the last call.
    public internal(set) var step: UInt64 = 0
}

/// What a copy has come to: a store that is whole, and verified.
public struct CopyReport: Sendable, Hashable {
    /// The id of the store, which the copy has, too.
    public let storeID: String
    public internal(set) var files = 0
    /// Of the files' lengths, holes included.
    public internal(set) var bytes: UInt64 = 0
    /// Bytes that this run wrote; what an earlier one left and was the same is not among them.
    public internal(set) var writtenBytes: UInt64 = 0
    /// Files of an earlier run that the source has no more, or has with another length.
    public internal(set) var removedFiles = 0
    /// What stands in the source's folder and is no part of a store: it was not copied.
    public internal(set) var foreign: [CheckFinding] = []
    /// Whether the copy was finished before, so that it was only compared.
    public internal(set) var wasWhole = false
}

/// Its caller ended the copy; the next run goes on.
public struct CopyInterrupted: Error {}
