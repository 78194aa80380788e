import DiskEngine
import DiskFormat
import Glibc

extension Namespace {
    /// How long the kernel may keep attributes of disks and snapshots, in seconds: it is told of
    /// every change. (Names it asks for each time.)
    static let toldValidity = 10.0

    /// What `stat` shows. Throws ENOENT, ESTALE.
    public func attributes(of inode: UInt64) throws(FileError) -> Attributes {
        try attributes(of: try node(inode))
    }

    func attributes(of node: Node) throws(FileError) -> Attributes {
        switch node {
        case .root, .disks, .snapshots, .instances:
            return plain(node, mode: 0o555, validity: Self.toldValidity)
        case .traces: return plain(node, mode: 0o500, validity: Self.toldValidity)
        case .trace(let id):
            let disk = try engine { try store.disk(id) }
            return plain(node, mode: disk.isAttached ? 0o400 : 0, validity: 0)
        case .instance(let id):
            guard instances.withLock({ $0.contains { $0.id == id } }) else {
                throw FileError(ENOENT, "instance \(id) is gone")
            }
            return plain(node, mode: 0o555, validity: 0)
        case .control: return plain(node, mode: 0o600, validity: 0)
        case .intake: return plain(node, mode: facts.isReadOnly ? 0o400 : 0o600, validity: 0)
        case .status, .metrics: return plain(node, mode: 0o444, validity: 0)
        case .disk(let id): return attributes(of: try engine { try store.disk(id) })
        case .snapshot(let id): return attributes(of: try engine { try store.snapshot(id) })
        case .sealedSnapshot(let id):
            return sealedAttributes(of: try engine { try store.snapshot(id) })
        case .sealedDifference(let id, _):
            // How long it is shows when it was read.
            let snapshot = try engine { try store.snapshot(id) }
            var attributes = plain(node, mode: snapshot.isOpenable ? 0o400 : 0, validity: 0)
            attributes.modified = ChangeTime.nanoseconds(seconds: snapshot.created.seconds)
            return attributes
        case .snapshotInfo(let id):
            let snapshot = try engine { try store.snapshot(id) }
            var attributes = plain(node, mode: 0o444, validity: 0)
            attributes.size = UInt64(try jsonText(SnapshotDocument(snapshot)).count)
            attributes.modified = ChangeTime.nanoseconds(seconds: snapshot.created.seconds)
            return attributes
        }
    }

    private func attributes(of disk: DiskSummary) -> Attributes {
        var attributes = plain(
            .disk(disk.id), mode: disk.isAttached ? facts.isReadOnly ? 0o400 : 0o600 : 0,
            validity: Self.toldValidity)
        attributes.size = disk.size
        attributes.storedBytes = disk.storedBytes
        attributes.modified =
            clock.time(of: disk.id, created: ChangeTime.nanoseconds(seconds: disk.created.seconds))
            .value
        return attributes
    }

    private func attributes(of snapshot: SnapshotSummary) -> Attributes {
        // The kernel is not told when a key comes, and asks.
        let isOpenable = snapshot.isOpenable
        var attributes = plain(
            .snapshot(snapshot.id), mode: isOpenable ? 0o400 : 0,
            validity: isOpenable ? Self.toldValidity : 0)
        attributes.size = snapshot.size
        attributes.storedBytes = snapshot.storedBytes
        attributes.modified = ChangeTime.nanoseconds(seconds: snapshot.created.seconds)
        return attributes
    }

    /// Nothing of a sealed file is a hole.
    private func sealedAttributes(of snapshot: SnapshotSummary) -> Attributes {
        var attributes = attributes(of: snapshot)
        attributes.inode = inodes.number(of: .sealedSnapshot(snapshot.id))
        attributes.size = SealedGeometry.fileSize(
            blocks: snapshot.storedBytes / UInt64(Format.blockSize))
        attributes.storedBytes = attributes.size
        return attributes
    }

    private func plain(_ node: Node, mode: UInt32, validity: Double) -> Attributes {
        Attributes(
            inode: inodes.number(of: node), isFolder: node.isFolder, mode: mode,
            owner: facts.owner, group: facts.group, size: 0, storedBytes: 0, modified: born,
            validity: validity, nameValidity: node.isFolder ? validity : 0)
    }
}
