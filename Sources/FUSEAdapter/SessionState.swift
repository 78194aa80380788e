import Namespace

/// What another process needs, besides /dev/fuse itself, to serve a mount from where this one
/// stopped: what was agreed with the kernel, and what it has open, by the numbers it knows it by.
public struct SessionState: Codable, Sendable {
    /// The kernel's first request, as it came.
    public let firstRequest: [UInt8]
    /// The longest payload that the kernel was told of, in bytes.
    public let payloadLimit: Int
    let files: [File]
    let folders: [Folder]

    struct File: Codable, Sendable {
        let number: UInt64
        let file: OpenFileState
    }

    struct Folder: Codable, Sendable {
        let number: UInt64
        let entries: [FolderEntry]
    }
}
