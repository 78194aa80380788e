import ControlPlane
import DiskEngine
import DiskFormat
import Glibc

/// What the control plane asks of the tree and tells it. All of it comes on threads of
/// requests and imports, one call at a time but for questions.
extension Namespace: MountHooks {
    /// How long the asynchronous release of handles is waited for, in seconds.
    static let releasePatience = 1.0
    /// How long the kernel may take to write out mappings, in seconds.
    public static let flushPatience = 30.0

    public func openHandles(of disk: DiskID) -> Int { opens.count(.disk(disk)) }

    public func openHandles(of snapshot: SnapshotID) -> Int { opens.count(.snapshot(snapshot)) }

    public func blockOpens(of disk: DiskID) throws(DiskError) {
        do throws(OpenTable.StillOpen) {
            try opens.block(disk, patience: Self.releasePatience)
        } catch {
            let handles = error.handles == 1 ? "1 handle is" : "\(error.handles) handles are"
            throw DiskError(
                .busy,
                "disk \(disk): \(handles) open on its file (an open file, a mapping, or a loop "
                    + "device): close them first.")
        }
    }

    public func allowOpens(of disk: DiskID) { opens.allow(disk) }

    /// Pages of shared mappings are dirty in the kernel alone, and only while a handle is open:
    /// the last unmapping writes them out.
    public func flushMappings(of disk: DiskID) throws(DiskError) {
        try flushMappings(of: disk, patience: Self.flushPatience)
    }

    /// `patience` is in seconds.
    func flushMappings(of disk: DiskID, patience: Double) throws(DiskError) {
        guard openHandles(of: disk) > 0, kernelCache != nil else { return }
        try mappings.flush(disk, below: facts.mountPoint, patience: patience)
    }

    public func didChange(_ change: ResourceChange) {
        tell(change)
        switch change {
        case .diskCreated, .snapshotCreated, .snapshotRenamed: break
        case .diskRenamed(let id): renewSpeedLimit(of: id)
        case .instancesChanged(let all): instances.withLock { $0 = all }
        case .diskAttached(let id): renew(.disk(id))
        case .diskDetached(let id):
            renew(.disk(id))
            dropUnreadableSnapshots()
            kernelCache?.wipePayloads()
            counters.of(id).tracer.end("the disk was detached")
        case .diskReplaced(let id, _):
            clock.time(of: id, created: 0).touch()
            renew(.disk(id))
        case .diskDeleted(let id):
            renew(.disk(id))
            clock.forget(id)
            speedLimits.withLock { $0[id] = nil }
            renew(.trace(id))
            counters.forget(id)
        case .diskResized(let id, let size):
            renewSpeedLimit(of: id)
            kernelCache?.dropAttributes(of: inodes.number(of: .disk(id)))
            tellGrowth(GrownDisk(path: path(of: id), size: size, mayWait: true))
        case .snapshotDeleted(let id):
            renew(.snapshot(id))
            renew(.sealedSnapshot(id))
            renew(.snapshotInfo(id))
        }
    }

    /// What decides what the host can read is told to the operator.
    private func tell(_ change: ResourceChange) {
        let (disk, what): (DiskID, String)
        switch change {
        case .diskAttached(let id): (disk, what) = (id, "attached")
        case .diskDetached(let id): (disk, what) = (id, "detached")
        case .diskReplaced(let id, _): (disk, what) = (id, "put back to an earlier state")
        case .diskDeleted(let id): (disk, what) = (id, "deleted")
        default: return
        }
        faults.logger.info("disk \(disk) was \(what)", metadata: ["disk": "\(disk)"])
    }

    /// Where a disk's file is, by its id: names change.
    func path(of disk: DiskID) -> String { "\(facts.mountPoint)/disks/\(disk)" }

    /// The node gets a new inode number: pages and attributes of the old one never show again.
    private func renew(_ node: Node) {
        guard let old = inodes.retire(node) else { return }
        kernelCache?.dropPages(of: old)
    }

    /// A snapshot whose key went with its disk is not to be read from the kernel's pages either.
    /// (Those of its sealed file may stay: they are ciphertext.)
    private func dropUnreadableSnapshots() {
        guard let kernelCache, let snapshots = try? store.snapshots() else { return }
        for snapshot in snapshots where snapshot.isEncrypted && !snapshot.isOpenable {
            kernelCache.dropPages(of: inodes.number(of: .snapshot(snapshot.id)))
            kernelCache.dropAttributes(of: inodes.number(of: .sealedSnapshot(snapshot.id)))
        }
    }
}
