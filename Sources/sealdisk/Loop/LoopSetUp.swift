import ControlPlane
import Glibc

/// What `attach` sets up over a file of the mount: a loop device, a file system, a mount of it.
/// Each step is undone with the stage.
struct LoopSetUp {
    let file: String
    let options: LoopOptions
    let isReadOnly: Bool
    /// Its journal cannot be played back, and its file system has a twin on the disk.
    var isSnapshot = false
    var place: String?

    struct Made {
        let loop: LoopDevice
        let mountPoint: String?

        /// Prints the device; with --json what it belongs to and where it is mounted, too.
        func show(_ owner: JSONObject, json: Bool) {
            guard json else { return print(loop.path) }
            var fields = owner
            fields.append("Device", .string(loop.path))
            fields.append("MountPoint", mountPoint.map { .string($0) })
            JSONOutput.show(.object(fields))
        }
    }

    /// `mkfs`: the type of a file system that is made first, on a disk that is blank.
    func run(
        _ stage: Stage, mkfs: String? = nil, blank: () throws(Failure) -> Void = {}
    ) throws(Failure) -> Made {
        let loop = try device(stage)
        if let mkfs {
            try blank()
            // Also of a file system that was made in part: nothing else is on the disk.
            try stage.done("what mkfs wrote on \(loop.path)") {
            } undo: { _ throws(Failure) in
                try loop.discardAll()
            }
            try NewFileSystem.make(mkfs, on: loop.path)
        }
        guard let place else { return Made(loop: loop, mountPoint: nil) }
        let device = options.partition.map { loop.path(ofPartition: $0) } ?? loop.path
        if let mount = alreadyMounted(loop, device, at: place) {
            return Made(loop: loop, mountPoint: mount.mountPoint)
        }
        guard access(device, F_OK) == 0 else {
            throw Failure(
                .notFound, "There is no partition \(device).",
                advice: "See lsblk \(loop.path). A disk partitioned in a virtual machine may need"
                    + " --sector-size 512.")
        }
        let mount = try LoopMount.make(
            of: loop, device, at: place, options: mountOptions(for: device), stage)
        if Interruption.isRequested { throw NewFileSystem.interrupted }
        return Made(loop: loop, mountPoint: mount.mountPoint)
    }

    private func device(_ stage: Stage) throws(Failure) -> LoopDevice {
        if let present = LoopDevice.all(of: file).first(where: { $0.isReadOnly == isReadOnly }) {
            try options.demand(present)
            return present
        }
        let loop = try stage.done("the loop device of \(file)") { () throws(Failure) in
            try LoopDevice.create(over: file, options.settings(readOnly: isReadOnly))
        } undo: { loop throws(Failure) in
            try loop.remove()
        }
        if options.directIO != .off, !loop.hasDirectIO {
            Terminal.complain(
                "sealdisk: \(loop.path) works without direct I/O; data is cached twice\n")
        }
        return loop
    }

    /// The same command twice leaves one mount.
    private func alreadyMounted(
        _ loop: LoopDevice, _ device: String, at place: String
    ) -> LoopMount? {
        guard let real = AbsolutePath.resolve(place) else { return nil }
        let sources = MountInfo.current().filter { $0.source == device }.map(\.id)
        return LoopMount.all(on: loop).first {
            $0.mountPoint == real && sources.contains($0.id)
        }
    }

    private func mountOptions(for device: String) -> [String] {
        let given = options.mountOptions.map { [$0] } ?? []
        guard isSnapshot else { return (isReadOnly ? ["ro"] : []) + given }
        let (_, type) = ChildProcess.output(
            of: ["blkid", "-p", "-o", "value", "-s", "TYPE", "--", device])
        return Self.options(ofSnapshotWith: String(type.prefix { !$0.isNewline })) + given
    }

    /// A snapshot is as after a power failure: without these the kernel would play the journal back
    /// first, which a read-only device forbids; and xfs refuses two file systems of one name.
    static func options(ofSnapshotWith type: String) -> [String] {
        switch type {
        case "ext3", "ext4": ["ro", "noload"]
        case "xfs": ["ro", "norecovery", "nouuid"]
        case "btrfs": ["ro", "rescue=nologreplay"]
        default: ["ro"]
        }
    }
}
