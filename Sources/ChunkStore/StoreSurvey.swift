/// What a check of a store asks of its keeper beyond the contract: to be seen as it lies there, and
/// to be left alone by others meanwhile. Neither call leaves a trace, also on a read-only medium.
public protocol StoreSurvey: Sendable {
    /// Everything directly in a folder (nil: the store's own), in no particular order, whatever it
    /// is called and whatever it is. Empty if there is no such folder. Throws `.foreign` if it is
    /// no folder, `.io`.
    func survey(_ folder: ObjectName?) throws(StoreError) -> [SurveyedEntry]

    /// Keeps every process from taking the store until the lock is released; others may hold such a
    /// lock, too. Throws `.locked` with a text that names the process that has the store.
    func lockForReading() throws(StoreError) -> any StoreLock
}

public struct SurveyedEntry: Sendable, Hashable {
    public enum Kind: String, Sendable {
        case file, folder
        case link = "symbolic link"
        /// A device, a FIFO, a socket.
        case other = "special file"
    }

    public let name: String
    public let kind: Kind
    /// Bytes of a file; else 0.
    public let length: UInt64
    /// Names that the file has on its file system (hard links).
    public let links: Int

    public init(name: String, kind: Kind, length: UInt64, links: Int = 1) {
        self.name = name
        self.kind = kind
        self.length = length
        self.links = links
    }
}
