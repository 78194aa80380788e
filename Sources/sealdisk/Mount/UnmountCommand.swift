import ArgumentParser
import ControlPlane
import Glibc

struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount",
        abstract: "Unmount a store; returns when everything is durable.",
        discussion: """
            Refuses, with the reason, while a loop device or an open file holds the mount. A mount \
            whose daemon has died is taken away too: what was acknowledged is in the store.
            """)

    @Argument(help: ArgumentHelp("The folder the store is mounted on.", valueName: "dir"))
    var directory: String

    func run() throws {
        let mountPoint = try MountPoint.ofMount(directory)
        // Not to hold the mount itself, when called from inside it.
        _ = chdir("/")
        guard let pid = Self.daemon(of: mountPoint), let daemon = ProcessWatch(pid) else {
            try Self.takeAwayDeadMount(mountPoint)
            return
        }
        try Self.unmount(mountPoint)
        daemon.waitForEnd {
            Report.line("waiting until everything written to \(mountPoint) is durable")
        }
        if let note = FailureNote.take(of: pid) {
            throw Failure(
                .failed, "\(mountPoint) is unmounted, but not everything is durable: \(note)",
                advice: "Check the store's medium before the store is mounted again.")
        }
    }

    /// The process that serves a mount, nil if the mount does not answer.
    private static func daemon(of mountPoint: String) -> Int32? {
        HostText.bytes(mountPoint + "/status.json")
            .flatMap { try? JSON(parsing: $0) }
            .flatMap { $0["pid"]?.unsigned }
            .flatMap { Int32(exactly: $0) }
    }

    private static func takeAwayDeadMount(_ mountPoint: String) throws(Failure) {
        guard MountPoint.isDead(mountPoint) else {
            throw Failure(
                .denied, "The mount at \(mountPoint) does not tell who serves it.",
                advice: "Run this as the user who mounted the store, or as root.")
        }
        let error = detach(mountPoint, lazily: true)
        guard error == 0 else { throw refusal(mountPoint, error) }
        Report.line(
            "the daemon of \(mountPoint) had died; the dead mount is taken away. What was"
                + " acknowledged is in the store: mount it again.")
    }

    private static func unmount(_ mountPoint: String) throws(Failure) {
        let error = detach(mountPoint, lazily: false)
        guard error == 0 else { throw refusal(mountPoint, error) }
    }

    private static func refusal(_ mountPoint: String, _ error: Int32) -> Failure {
        guard error == EBUSY else {
            return Failure(
                .denied,
                "\(mountPoint) could not be unmounted: \(String(cString: strerror(error))).",
                advice: "Run this as the user who mounted the store, or as root.")
        }
        let holders = MountHolders.list(of: mountPoint)
        return Failure(
            .busy,
            "\(mountPoint) is in use"
                + (holders.isEmpty ? "." : ": \(holders.joined(separator: "; "))."),
            advice: "Unmount what lies on its disks, free their loop devices (losetup -d, or"
                + " sealdisk disk detach), close what is open there; then try again.")
    }

    /// 0 or the errno. A user's mount is taken away by the helper that made it.
    private static func detach(_ mountPoint: String, lazily: Bool) -> Int32 {
        // MNT_DETACH is 2; UMOUNT_NOFOLLOW, 8: the path is real already.
        if geteuid() == 0 { return umount2(mountPoint, lazily ? 2 | 8 : 8) == 0 ? 0 : errno }
        let arguments = ["fusermount3", "-u"] + (lazily ? ["-z"] : []) + [mountPoint]
        guard let status = ChildProcess.run(arguments) else { return ENOENT }
        return status == 0 ? 0 : EBUSY
    }
}
