import ArgumentParser
import ControlPlane

extension SnapshotCommand {
    struct Attach: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a snapshot a loop device, read-only, and mount it.",
            discussion: """
                Prints the device; with --at the file system on it is mounted, read-only. If a \
                step fails, those before it are undone.

                A snapshot is the disk as after a power failure, and on a read-only device no \
                journal can be played back: ext4 is mounted with noload, xfs with norecovery and \
                nouuid, btrfs with rescue=nologreplay. What only the journal holds is not seen \
                then, and that may be whole files. To see all, take the snapshot with --freeze, or \
                make a disk of it, whose journal is played: sealdisk disk create NAME --snapshot \
                SNAPSHOT.

                EXAMPLES:
                  sealdisk snapshot attach monday --at /mnt/monday
                  sealdisk snapshot detach monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The snapshot, named or by id.", completion: .snapshots)
        var snapshot: String

        @OptionGroup(title: "LOOP DEVICE") var loopOptions: LoopOptions

        func run() throws {
            let client = try Client(options)
            let mount = try client.demandMount(for: "attaching a snapshot")
            let found = try SnapshotCommand.describe(snapshot, through: client)
            let name = found.text("Name")
            guard found.flag("Openable") else {
                throw Failure(
                    .keyRequired, "Snapshot '\(name)' is encrypted, and its key is not in memory.",
                    advice: "Attach a disk that shares its key first: sealdisk disk attach"
                        + " \(found.text("SourceDiskName")), or one made of the snapshot.")
            }
            Interruption.watch()
            let made = try Stage.allOrNothing { stage throws(Failure) in
                try LoopSetUp(
                    file: mount.file(ofSnapshot: name), options: loopOptions, isReadOnly: true,
                    isSnapshot: true, place: loopOptions.place
                ).run(stage)
            }
            made.show(["SnapshotId": .string(found.text("SnapshotId"))], json: options.json)
        }
    }

    struct Detach: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Undo what attach did: unmount the snapshot and free its loop devices.",
            discussion: """
                Refused, with who uses it, while it is in use.

                EXAMPLE:
                  sealdisk snapshot detach monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The snapshot, named or by id.", completion: .snapshots)
        var snapshot: String

        func run() throws {
            let client = try Client(options)
            let mount = try client.demandMount(for: "detaching a snapshot")
            let found = try SnapshotCommand.describe(snapshot, through: client)
            let name = found.text("Name")
            let attached = AttachedDisk(file: mount.file(ofSnapshot: name))
            guard !LoopDevice.all(of: attached.file).isEmpty else {
                if options.json { return JSONOutput.show(found) }
                return Terminal.complain(
                    "Snapshot \(Table.printable(name)) is not attached: nothing is left to do.\n")
            }
            try attached.takeDown()
            if options.json {
                JSONOutput.show(.object(["SnapshotId": .string(found.text("SnapshotId"))]))
            } else {
                print("Detached snapshot \(name).")
            }
        }
    }

    /// The one snapshot of that name or id, as DescribeSnapshots shows it.
    static func describe(_ snapshot: String, through client: Client) throws(Failure) -> JSON {
        let answer = try client.ask(Request("DescribeSnapshots", ["SnapshotId": snapshot]))
        return try DiskCommand.first(of: answer, "Snapshots", "Snapshot")
    }
}
