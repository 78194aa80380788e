import ControlPlane
import DiskFormat
import Glibc

/// What a tree must go on with in another process, or when its store is opened anew: the numbers
/// that the kernel knows its files by, and what is not stored.
public struct TreeState: Codable, Sendable {
    /// Ids of the disks that are attached.
    let attached: [String]
    public var attachedDisks: [DiskID] { attached.compactMap { DiskID($0) } }
    let inodes: InodeState
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    let born: Int64
    /// Change times of disks by id, the same.
    let times: [String: Int64]
    /// What `control` was last answered.
    let lastReply: [UInt8]?
}

/// The inode numbers of a tree.
struct InodeState: Codable, Sendable {
    let next: UInt64
    let nextOwn: UInt64
    /// Nodes in words, by number.
    let nodes: [UInt64: String]
}

extension Namespace {
    /// What another tree over this store goes on with. While nobody serves the kernel.
    public func state() -> TreeState {
        TreeState(
            attached: attachedIDs().map(\.text), inodes: inodes.handover, born: born,
            times: clock.handover, lastReply: desk.lastReply)
    }

    /// Why the tree cannot be handed over now, in words; nil if it can.
    public var hindrance: String? {
        if !intake.isIdle { return "a snapshot is being imported through it" }
        for case .disk(let id) in opens.counts.keys where store.attached(id) == nil {
            return "disk \(id) was cut off from its key, and is still open"
        }
        return nil
    }

    /// What tells the kernel to drop what it caches: it is the mount's, whatever tree it shows.
    public var kernelOfMount: (any KernelCache)? { kernelCache }
}

extension Node {
    /// The node in words: `disk d-…`.
    var text: String {
        switch self {
        case .root: "root"
        case .control: "control"
        case .status: "status"
        case .metrics: "metrics"
        case .disks: "disks"
        case .snapshots: "snapshots"
        case .instances: "instances"
        case .intake: "intake"
        case .traces: "traces"
        case .instance(let id): "instance \(id.text)"
        case .disk(let id): "disk \(id.text)"
        case .trace(let id): "trace \(id.text)"
        case .snapshot(let id): "snapshot \(id.text)"
        case .sealedSnapshot(let id): "sealed \(id.text)"
        case .sealedDifference(let id, let base): "sealed \(id.text) \(base.text)"
        case .snapshotInfo(let id): "info \(id.text)"
        }
    }

    /// nil if it is none, or one of those that are always there.
    init?(text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count >= 2 else { return nil }
        switch (words[0], words.count) {
        case ("instance", 2):
            guard let id = InstanceID(words[1]) else { return nil }
            self = .instance(id)
        case ("disk", 2):
            guard let id = DiskID(words[1]) else { return nil }
            self = .disk(id)
        case ("trace", 2):
            guard let id = DiskID(words[1]) else { return nil }
            self = .trace(id)
        case ("snapshot", 2), ("sealed", 2), ("info", 2):
            guard let id = SnapshotID(words[1]) else { return nil }
            self =
                words[0] == "snapshot"
                ? .snapshot(id) : words[0] == "sealed" ? .sealedSnapshot(id) : .snapshotInfo(id)
        case ("sealed", 3):
            guard let id = SnapshotID(words[1]), let base = SnapshotID(words[2]) else {
                return nil
            }
            self = .sealedDifference(id, since: base)
        default: return nil
        }
    }
}
