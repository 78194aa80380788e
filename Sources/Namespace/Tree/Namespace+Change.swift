import DiskEngine
import DiskFormat
import Glibc

extension Namespace {
    /// Changes attributes as far as they can change: a disk grows by its size (ResizeDisk) and has
    /// a time of change; everything else is what it is. Returns the attributes after it.
    ///
    /// Throws EROFS for snapshots and on a read-only mount, EPERM for what cannot change (modes,
    /// owners, a smaller disk), EINVAL for a size that is no multiple of 4096, ENOKEY or ENXIO for
    /// a disk not attached.
    public func change(
        _ inode: UInt64, _ change: AttributeChange, caller: Caller
    ) throws(FileError) -> Attributes {
        let node = try node(inode)
        try demandChangeable(node)
        try demandTrusted(caller, errno: EPERM)
        let current = try attributes(of: node)
        guard change.mode.map({ $0 & 0o7777 == current.mode }) ?? true,
            change.owner.map({ $0 == current.owner }) ?? true,
            change.group.map({ $0 == current.group }) ?? true
        else {
            throw FileError(EPERM, "mode and owner say what a file is and cannot be set")
        }
        switch node {
        case .disk(let id):
            // The kernel's way of opening with O_TRUNC, which a block device ignores: tools that
            // overwrite a device do so. (truncate(2) to 0 looks the same.)
            let isOpening = change.size == 0 && !change.isThroughHandle
            if let size = change.size, !isOpening {
                try resize(id, from: current.size, to: size)
            }
            if let time = change.modified { setTime(of: id, time) }
        case .control, .intake:
            break
        default:
            throw FileError(EPERM, "this cannot be changed")
        }
        return try attributes(of: node)
    }

    /// Throws EROFS for what is only read, whatever the permissions say. `control` is written to
    /// also on a read-only mount: what a request may do is for the control plane to say.
    func demandChangeable(_ node: Node) throws(FileError) {
        if node.isFrozen { throw FileError(EROFS, "a snapshot does not change") }
        if facts.isReadOnly, node != .control {
            throw FileError(EROFS, "the mount is read-only")
        }
    }

    private func resize(_ id: DiskID, from size: UInt64, to newSize: UInt64) throws(FileError) {
        guard newSize != size else { return }
        guard newSize > size else {
            throw FileError(EPERM, "disk \(id) has \(size) bytes and cannot be made smaller")
        }
        guard newSize.isMultiple(of: UInt64(Attributes.preferredBlockSize)) else {
            throw FileError(EINVAL, "a disk's size is a multiple of 4096 bytes")
        }
        guard store.attached(id) != nil else { throw try unattached(id) }
        try engine { try store.resize(id, to: newSize) }
        tellGrowth(GrownDisk(path: path(of: id), size: newSize, mayWait: false))
    }

    private func setTime(of id: DiskID, _ time: AttributeChange.Time) {
        let moment =
            switch time {
            case .now: ChangeTime.now()
            case .at(let moment): moment
            }
        clock.time(of: id, created: moment).value = moment
    }

    /// Why a disk that is not attached does not open.
    func unattached(_ id: DiskID) throws(FileError) -> FileError {
        let disk = try engine { try store.disk(id) }
        return disk.isEncrypted
            ? FileError(ENOKEY, "disk \(id) is not attached: its key is not here")
            : FileError(ENXIO, "disk \(id) is not attached")
    }

    /// Refuses to make, remove or rename anything in a folder: resources come and go through
    /// `control`.
    public func refusal(ofChangeIn folder: UInt64) -> FileError {
        if facts.isReadOnly { return FileError(EROFS, "the mount is read-only") }
        return inodes.node(folder)?.isFrozen == true
            ? FileError(EROFS, "snapshots come and go by CreateSnapshot and DeleteSnapshot")
            : FileError(EPERM, "disks come and go by CreateDisk and DeleteDisk")
    }
}
