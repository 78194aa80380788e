import ControlPlane
import Glibc

/// One end of a copy.
struct CopyPlace {
    enum Kind: Hashable {
        case folder(String)
        /// Ids.
        case disk(String)
        case snapshot(String)
    }

    /// As people name it.
    let text: String
    let kind: Kind
    /// The mount it is in; nil for a folder.
    let client: Client?
    private let mount: MountedStore?

    /// A path is a disk or snapshot if it lies in a mount, else a folder; a name is a disk's, or a
    /// snapshot's of the mount at hand.
    init(_ name: String, _ options: GlobalOptions) throws(Failure) {
        text = name
        guard name.contains("/") || name == "." || name == ".." else {
            let client = try Client(options)
            mount = try client.demandMount(for: "copying")
            self.client = client
            kind = try Self.find(name, client)
            return
        }
        let path = try AbsolutePath.existing(name, as: "folder, disk or snapshot")
        let mount = MountedStore.all().first { path.hasPrefix($0.mountPoint + "/") }
        guard let mount else {
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw Failure(
                    .invalid, "\(path) is neither a folder nor in a mount of sealdisk.",
                    advice: "Name a disk, a snapshot or a folder.")
            }
            (self.mount, client, kind) = (nil, nil, .folder(path))
            return
        }
        let parts = path.dropFirst(mount.mountPoint.utf8.count + 1).split(separator: "/")
        let client = try Client(at: mount, options)
        (self.mount, self.client) = (mount, client)
        switch (parts.first, parts.count) {
        case ("disks", 2), ("snapshots", 2): kind = try Self.find(String(parts[1]), client)
        default:
            throw Failure(
                .invalid, "\(path) is neither a disk nor a snapshot of its mount.",
                advice: "Name disks/NAME or snapshots/NAME there.")
        }
    }

    private static func find(_ name: String, _ client: Client) throws(Failure) -> Kind {
        do {
            return .disk(try DiskCommand.describe(name, through: client).text("DiskId"))
        } catch {
            guard error.exitCode == ErrorKind.notFound.exitCode else { throw error }
            let answer = try? client.ask(Request("DescribeSnapshots", ["SnapshotId": name]))
            let found = answer?.fields["Snapshots"]?["Snapshot"]?.array?.first
            guard let found else { throw error }
            return .snapshot(found.text("SnapshotId"))
        }
    }

    func isSame(as other: CopyPlace) -> Bool { kind == other.kind && mount == other.mount }

    // MARK: Opening

    /// The folder to read from. A disk or snapshot is read by a clone, whose file system may replay
    /// its journal: what is copied from is never changed.
    func openForReading(_ stage: Stage) throws(Failure) -> String {
        switch kind {
        case .folder(let path): return path
        case .snapshot(let id): return try mountClone(of: id, stage)
        case .disk(let id):
            let client = try demandClient()
            try writeOut(id)
            let snapshot = try stage.done("the copy's snapshot") { () throws(Failure) in
                try client.ask(
                    Request(
                        "CreateSnapshot",
                        ["DiskId": id, "Description": CopyLeftovers.description])
                ).fields.text("SnapshotId")
            } undo: { snapshot throws(Failure) in
                try client.ask(Request("DeleteSnapshot", ["SnapshotId": snapshot]))
            }
            return try mountClone(of: snapshot, stage)
        }
    }

    private func mountClone(of snapshot: String, _ stage: Stage) throws(Failure) -> String {
        let client = try demandClient()
        let clone = try stage.done("the copy's clone") { () throws(Failure) in
            try client.ask(
                Request(
                    "CreateDisk",
                    ["SnapshotId": snapshot, "Description": CopyLeftovers.description])
            ).fields.text("DiskId")
        } undo: { disk throws(Failure) in
            try client.ask(Request("DeleteDisk", ["DiskId": disk]))
        }
        let device = try attach(clone, stage)
        return try CopyMount.make(device.path, options: "ro", stage, of: text)
    }

    /// The folder to write to.
    func openForWriting(_ stage: Stage, mkfs: String?) throws(Failure) -> String {
        let id: String
        switch kind {
        case .folder(let path): return path
        case .snapshot:
            throw Failure(
                .invalid, "\(text) is a snapshot, and nothing is written to snapshots.",
                advice: "Make a disk of it first: sealdisk disk create NAME --snapshot \(text).")
        case .disk(let disk): id = disk
        }
        let found = try DiskCommand.describe(id, through: try demandClient())
        if let place = mountPoints(found).first { return place }
        let device = try attach(id, stage)
        if let mkfs {
            try NewFileSystem.demandBlank(found)
            try NewFileSystem.make(mkfs, on: device.path)
        }
        return try CopyMount.make(device.path, options: "rw", stage, of: text)
    }

    /// Attaches a disk and gives it a loop device, as far as it has none.
    private func attach(_ id: String, _ stage: Stage) throws(Failure) -> LoopDevice {
        let client = try demandClient()
        let found = try DiskCommand.describe(id, through: client)
        if !found.flag("Open") {
            _ = try stage.done("disk \(text)") { () throws(Failure) in
                try client.ask(Request("AttachDisk", ["DiskId": id]))
            } undo: { _ throws(Failure) in
                try client.ask(Request("DetachDisk", ["DiskId": id]))
            }
        }
        let file = mount?.file(ofDisk: found.text("Name")) ?? ""
        if let present = LoopDevice.all(of: file).first(where: { !$0.isReadOnly }) {
            return present
        }
        return try stage.done("the loop device of \(text)") { () throws(Failure) in
            try LoopDevice.create(over: file, readOnly: false)
        } undo: { loop throws(Failure) in
            try loop.remove()
        }
    }

    private func demandClient() throws(Failure) -> Client {
        guard let client else { throw Failure(unforeseen: CopyError.noMount) }
        return client
    }

    /// Where a disk's file system is mounted by its loop devices.
    private func mountPoints(_ disk: JSON) -> [String] {
        guard let mount, disk.flag("Open") else { return [] }
        let devices = LoopDevice.all(of: mount.file(ofDisk: disk.text("Name")))
            .flatMap(\.blockDevices).map(\.device)
        return MountInfo.current().filter { devices.contains($0.device) }.map(\.mountPoint)
    }

    /// What a file system on the disk holds in memory is part of its state at this moment.
    private func writeOut(_ id: String) throws(Failure) {
        let found = try DiskCommand.describe(id, through: try demandClient())
        for place in mountPoints(found) { try FileSystemSync.run(place) }
    }
}

private enum CopyError: Error { case noMount }

extension Client {
    /// A client of one mount, whatever else is mounted.
    init(at mount: MountedStore, _ options: GlobalOptions) throws(Failure) {
        var options = options
        options.mount = mount.mountPoint
        options.store = nil
        try self.init(options)
    }
}
