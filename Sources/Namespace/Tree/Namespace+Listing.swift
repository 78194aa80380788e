import Glibc

/// A name in a folder, and what it led to when the folder was opened.
public struct FolderEntry: Sendable, Hashable, Codable {
    public let name: String
    public let inode: UInt64
    public let isFolder: Bool
}

extension Namespace {
    /// The names of a folder, with `.` and `..`; a listing does not change while it is read.
    /// Throws ENOTDIR, ESTALE.
    public func list(_ folder: UInt64) throws(FileError) -> [FolderEntry] {
        let node = try node(folder)
        let children: [(String, Node)]
        switch node {
        case .root:
            children = [
                ("control", .control), ("import", .intake), ("status.json", .status),
                ("metrics", .metrics), ("disks", .disks), ("snapshots", .snapshots),
                ("instances", .instances),
            ]
        case .disks:
            children = diskNames().shown.map { ($0.name, .disk($0.id)) }
        case .traces:
            let attached = Set(attachedIDs())
            children = diskNames().shown.filter { attached.contains($0.id) }
                .map { ($0.name, .trace($0.id)) }
        case .snapshots:
            children = snapshotNames().shown.flatMap { entry in
                [
                    (entry.name, Node.snapshot(entry.id)),
                    (entry.name + Self.sealedSnapshotSuffix, .sealedSnapshot(entry.id)),
                    (entry.name + Self.snapshotInfoSuffix, .snapshotInfo(entry.id)),
                ]
            }
        case .instances:
            children = instances.withLock { $0 }.map { ($0.name, .instance($0.id)) }
        case .instance(let id):
            children =
                instances.withLock { $0.first { $0.id == id } }.map { instance in
                    instance.disks.map { ($0.device, .disk($0.disk)) }
                } ?? []
        default: throw FileError(ENOTDIR, "not a folder")
        }
        var parent = Node.root
        if case .instance = node { parent = .instances }
        let places = [(".", node), ("..", parent)] + children
        return places.map { name, node in
            FolderEntry(name: name, inode: inodes.number(of: node), isFolder: node.isFolder)
        }
    }
}
