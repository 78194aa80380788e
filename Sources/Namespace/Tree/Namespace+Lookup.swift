import ControlPlane
import DiskEngine
import DiskFormat
import Glibc

extension Namespace {
    static let snapshotInfoSuffix = ".json"
    static let sealedSnapshotSuffix = ".sealed"
    static let sinceInfix = ".since."

    /// What `name` in the folder `parent` leads to. Throws ENOENT, ENOTDIR, ESTALE.
    public func lookup(_ name: String, in parent: UInt64) throws(FileError) -> Attributes {
        let child = try child(name, of: try node(parent))
        var attributes = try attributes(of: child)
        attributes.ownInode = inodes.ownNumber(of: child)
        return attributes
    }

    private func child(_ name: String, of parent: Node) throws(FileError) -> Node {
        let child: Node? =
            switch (parent, name) {
            case (.root, "control"): .control
            case (.root, "import"): .intake
            case (.root, "status.json"): .status
            case (.root, "metrics"): .metrics
            case (.root, "disks"): .disks
            case (.root, "snapshots"): .snapshots
            case (.root, "instances"): .instances
            case (.root, "trace"): .traces
            case (.root, _): nil
            case (.disks, _): diskNames().id(named: name).map { .disk($0) }
            case (.traces, _): diskNames().id(named: name).map { .trace($0) }
            case (.snapshots, _): snapshot(name, among: snapshotNames())
            case (.instances, _):
                instances.withLock { $0.first { $0.name == name || $0.id.text == name } }
                    .map { .instance($0.id) }
            case (.instance(let id), _): disk(at: id, device: name).map { .disk($0) }
            default: throw FileError(ENOTDIR, "not a folder")
            }
        guard let child else { throw FileError(ENOENT, "there is no \(name) here") }
        return child
    }

    private func disk(at instance: InstanceID, device: String) -> DiskID? {
        instances.withLock { $0.first { $0.id == instance } }?.disks
            .first { $0.device == device }?.disk
    }

    private func snapshot(_ name: String, among names: ResourceNames<SnapshotID>) -> Node? {
        if let id = names.id(named: name) { return .snapshot(id) }
        func id(before suffix: String) -> SnapshotID? {
            guard name.hasSuffix(suffix) else { return nil }
            return names.id(named: String(name.dropLast(suffix.count)))
        }
        return id(before: Self.sealedSnapshotSuffix).map { .sealedSnapshot($0) }
            ?? id(before: Self.snapshotInfoSuffix).map { .snapshotInfo($0) }
            ?? difference(name, among: names)
    }

    private func difference(_ name: String, among names: ResourceNames<SnapshotID>) -> Node? {
        guard name.hasSuffix(Self.sealedSnapshotSuffix) else { return nil }
        let pair = name.dropLast(Self.sealedSnapshotSuffix.count)
        // A name may hold what stands between the two.
        for middle in pair.ranges(of: Self.sinceInfix) {
            if let id = names.id(named: String(pair[..<middle.lowerBound])),
                let base = names.id(named: String(pair[middle.upperBound...])), id != base
            {
                return .sealedDifference(id, since: base)
            }
        }
        return nil
    }

    func diskNames() -> ResourceNames<DiskID> {
        knownDisks.names(as: store.catalogueRevision) {
            ResourceNames(
                store.diskAttributes().map { ($0.id, ResourceName.ofDisk($0.attributes)) })
        }
    }

    func snapshotNames() -> ResourceNames<SnapshotID> {
        knownSnapshots.names(as: store.catalogueRevision) {
            ResourceNames(
                store.snapshotAttributes().map { ($0.id, ResourceName.ofSnapshot($0.attributes)) })
        }
    }
}
