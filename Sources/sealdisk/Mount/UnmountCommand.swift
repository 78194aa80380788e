import ArgumentParser
import ControlPlane
import Glibc

struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount",
        abstract: "Unmount a store; returns when everything is durable.",
        discussion: """
            Refuses, with the reason, while a loop device or an open file holds the mount. A mount \
            whose daemon has died is taken away too: what was acknowledged is in the store. A \
            daemon that serves on because another mount namespace has the mount, too, is named; \
            --force ends it.

            EXAMPLES:
              sealdisk unmount /mnt/seal
              sealdisk unmount --force /srv/store
            """)

    @Argument(
        help: ArgumentHelp("The folder the store is mounted on, or the store.", valueName: "dir"),
        completion: .mountPoints)
    var directory: String

    @Flag(
        help: """
            End the daemon that holds on to the store; one that hangs is killed. Files in use on \
            a mount that answers still refuse.
            """)
    var force = false

    @OptionGroup var confirmation: Confirmation

    func run() throws {
        let mount: MountedStore
        do {
            mount = try MountPoint.ofMount(directory)
        } catch {
            guard let hidden = HiddenMount.at(directory) else { throw error }
            return try take(away: hidden)
        }
        // Not to hold the mount itself, when called from inside it.
        _ = chdir("/")
        switch MountProbe.of(mount.mountPoint) {
        case .answers: try leave(mount)
        case .dead: try Self.takeAwayDeadMount(mount)
        case .silent:
            guard force else { throw MountProbe.silence(of: mount) }
            try confirmEnd(of: mount.server, at: mount.mountPoint)
            try Self.end(mount)
        }
    }

    /// Unmounts a mount that answers, and waits for the end of its daemon.
    private func leave(_ mount: MountedStore) throws(Failure) {
        guard let server = mount.server ?? Self.claimedServer(of: mount),
            let daemon = ProcessWatch(server)
        else {
            try Self.unmount(mount.mountPoint)
            return Report.line(
                "who serves \(mount.mountPoint) could not be found out: it may still be writing")
        }
        let device = mount.device
        try Self.unmount(mount.mountPoint)
        if let device, FileSystemLife.goesOn(device), let hidden = HiddenMount.ofStore(mount.store)
        {
            return try take(away: hidden)
        }
        daemon.waitForEnd {
            Report.line("waiting until everything written to \(mount.mountPoint) is durable")
        }
        if let failure = FailureNote.failure(of: server, mount.mountPoint) { throw failure }
    }

    /// A daemon that an unmount here does not end.
    private func take(away hidden: HiddenMount) throws(Failure) {
        guard force else { throw hidden.refusal }
        try confirmEnd(of: hidden.server, at: hidden.mountPoint)
        try hidden.end()
    }

    private func confirmEnd(of process: Int32?, at mountPoint: String) throws(Failure) {
        try confirmation.confirm { () throws(Failure) in
            let process = process.map { ", process \($0)" } ?? ""
            return
                "End the daemon of \(mountPoint)\(process)? What is open there is cut off; what a"
                + " file system on its disks has not flushed is lost, as after a power failure."
        }
    }

    /// What the mount itself says, for when the lock cannot be read: the store's medium fails, or
    /// the store was moved. Only after the mount has answered, and of one that is trusted.
    private static func claimedServer(of mount: MountedStore) -> Int32? {
        guard mount.isTrusted else { return nil }
        return HostText.bytes(mount.mountPoint + "/status.json")
            .flatMap { try? JSON(parsing: $0) }
            .flatMap { $0["pid"]?.unsigned }
            .flatMap { Int32(exactly: $0) }
    }

    /// Ends a mount that does not answer: its daemon, its connection, then the mount.
    private static func end(_ mount: MountedStore) throws(Failure) {
        let server = mount.server
        if let server, kill(server, SIGKILL) != 0 { throw refusal(mount.mountPoint, errno) }
        let error = detach(mount.mountPoint, lazily: true)
        guard error == 0 else { throw refusal(mount.mountPoint, error) }
        if let server, let daemon = ProcessWatch(server) {
            daemon.waitForEnd {
                Report.line("waiting for the end of the daemon, process \(server)")
            }
        }
        Report.line(
            "the daemon of \(mount.mountPoint) did not answer and was killed. What was"
                + " acknowledged is in the store: mount it again.")
    }

    private static func takeAwayDeadMount(_ mount: MountedStore) throws(Failure) {
        let mountPoint = mount.mountPoint
        // It has the store as long as it lives: its connection was aborted, or it is ending.
        let server = mount.server
        let loops = OrphanedLoops.below(mountPoint)
        let error = detach(mountPoint, lazily: true)
        guard error == 0 else { throw refusal(mountPoint, error) }
        if let server {
            Report.line(
                "\(mountPoint) was cut off from its daemon; the mount is taken away. What was"
                    + " acknowledged is in the store: mount it again when the daemon, process"
                    + " \(server), has ended.")
        } else {
            Report.line(
                "the daemon of \(mountPoint) had died; the dead mount is taken away. What was"
                    + " acknowledged is in the store: mount it again.")
        }
        if let note = OrphanedLoops.note(loops) { Report.line(note) }
    }

    /// How long loop devices that are being freed may take, in tenths of a second.
    private static let clearingPatience = 30

    /// A loop device that was freed goes when the last one that looks at it (udev, blkid) closes
    /// it: that is waited for.
    private static func unmount(_ mountPoint: String) throws(Failure) {
        var error = detach(mountPoint, lazily: false)
        for _ in 0..<clearingPatience {
            guard error == EBUSY, MountHolders.areLoopsBeingFreed(on: mountPoint) else { break }
            usleep(100_000)
            error = detach(mountPoint, lazily: false)
        }
        guard error == 0 else { throw refusal(mountPoint, error) }
    }

    /// Ends a mount of this process at once, with whoever waits in it.
    static func cutOff(_ mountPoint: String) { _ = detach(mountPoint, lazily: true) }

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
        // MNT_FORCE is 1 and ends the connection, which wakes who waits in it; MNT_DETACH is 2;
        // UMOUNT_NOFOLLOW, 8: the path is real already.
        if geteuid() == 0 { return umount2(mountPoint, lazily ? 1 | 2 | 8 : 8) == 0 ? 0 : errno }
        let arguments = ["fusermount3", "-u"] + (lazily ? ["-z"] : []) + [mountPoint]
        guard let status = ChildProcess.run(arguments) else { return ENOENT }
        return status == 0 ? 0 : EBUSY
    }
}
