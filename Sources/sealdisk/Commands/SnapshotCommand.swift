import ArgumentParser
import ControlPlane

struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Create, list, compare, export, import, rename and delete snapshots.",
        discussion: """
            A snapshot is the disk at one moment, as after a power failure. It takes no space \
            until the disk changes, and is a read-only file in the mount while a disk of its \
            lineage is attached.

            EXAMPLES:
              sealdisk snapshot create data --name monday
              sealdisk snapshot attach monday --at /old
            """,
        subcommands: [
            Create.self, List.self, Show.self, Attach.self, Detach.self, Diff.self, Usage.self,
            Export.self, Import.self, Verify.self, Rename.self, Delete.self,
        ])

    /// All snapshots there are.
    static func all(through client: Client) throws(Failure) -> [JSON] {
        try client.ask(Request("DescribeSnapshots")).fields["Snapshots"]?["Snapshot"]?.array ?? []
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a snapshot of a disk, attached or not.",
            discussion: """
                The disk as it is at this moment, as after a power failure: a file system replays \
                its journal when it is mounted. With --freeze the file system on the disk's loop \
                device is brought to rest for that moment, and nothing has to be replayed.

                EXAMPLES:
                  sealdisk snapshot create data --name monday
                  sealdisk snapshot create data --name monday --freeze
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        @Flag(help: "Freeze the file system mounted from the disk meanwhile (as root).")
        var freeze = false

        @Option(
            help: ArgumentHelp(
                "With --freeze: how long it may be frozen at most; if that is not enough, there is"
                    + " no snapshot.", valueName: "seconds"))
        var freezeTimeout = 10

        @Option(help: "The snapshot's name; its id if none is given.")
        var name: String?

        @Option(help: "What it is for.")
        var description: String?

        func validate() throws {
            guard (1...600).contains(freezeTimeout) else {
                throw ValidationError("--freeze-timeout takes 1 to 600 seconds.")
            }
        }

        func run() throws {
            let client = try Client(options)
            let request = Request(
                "CreateSnapshot",
                ["DiskId": disk, "SnapshotName": name, "Description": description])
            let answer =
                freeze ? try frozen(client, request) : try client.perform(request)
            guard !options.json else { return }
            let id = answer.fields.text("SnapshotId")
            print("Took snapshot \(name.map { "\($0) (\(id))" } ?? id) of disk \(disk).")
        }

        /// Takes it while the file system on the disk is at rest, or not at all.
        private func frozen(_ client: Client, _ request: Request) throws(Failure) -> Answer {
            let mount = try client.demandMount(for: "--freeze")
            let found = try DiskCommand.first(
                of: client.ask(Request("DescribeDisks", ["DiskId": disk])), "Disks", "Disk")
            let places = try DiskFileSystems.mountPoints(
                of: disk, at: mount.file(ofDisk: found.text("Name")))
            let freezer = Freezer(mountPoints: places, limit: freezeTimeout)
            let answer = try freezer.frozen { (answer: Answer) throws(Failure) in
                // It may have been taken after the thaw: not what was asked for.
                try client.ask(
                    Request("DeleteSnapshot", ["SnapshotId": answer.fields.text("SnapshotId")]))
                return Failure(
                    .busy,
                    "The snapshot was not taken within the \(freezeTimeout) seconds that the file"
                        + " system may be frozen; there is none.",
                    advice: "Try again when less is written, or with a longer --freeze-timeout.")
            } _: { () throws(Failure) in
                try client.ask(request)
            }
            if options.json { JSONOutput.show(answer.text) }
            return answer
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the snapshots.",
            discussion: """
                EXAMPLES:
                  sealdisk snapshot list --disk data --sort created:desc
                  sealdisk snapshot list --quiet
                """, aliases: ["ls"])

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup(title: "LIST OPTIONS") var list: ListOptions

        @Option(help: "Only those of this disk.", completion: .disks)
        var disk: String?

        func run() throws {
            try list.check(.snapshots)
            try list.watching.repeating { try show() }
        }

        private func show() throws {
            let client = try Client(options)
            let answer = try client.perform(Request("DescribeSnapshots", ["DiskId": disk]))
            guard !options.json else { return }
            let snapshots = answer.fields["Snapshots"]?["Snapshot"]?.array ?? []
            let damage = DamageNotes(
                noun: "snapshot", resources: snapshots,
                unlisted: answer.fields["Damaged"]?.array ?? [])
            defer { damage.tell() }
            Self.tell(answer.fields["Imports"]?.array ?? [])
            guard !snapshots.isEmpty else {
                return Terminal.complain(
                    "No snapshots. Take one: sealdisk snapshot create DISK --name NAME\n")
            }
            let all =
                disk == nil || Terminal.width == nil
                ? snapshots
                : try SnapshotCommand.all(through: client)
            let ids = all.map { $0.text("SnapshotId") }
            try list.show(snapshots, of: .snapshots) { rows, width in
                SnapshotTable(rows, among: ids).table(width: width)
            }
        }

        private static func tell(_ imports: [JSON]) {
            for found in imports {
                let id = found.text("SnapshotId")
                Terminal.complain(
                    found.flag("Running")
                        ? "sealdisk: snapshot \(id) is being imported\n"
                        : "sealdisk: the import of snapshot \(id) was not finished: give the file"
                            + " again, or sealdisk snapshot import --discard \(id)\n")
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show all there is to know of a snapshot.",
            discussion: """
                EXAMPLE:
                  sealdisk snapshot show monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The snapshot, named or by id.", completion: .snapshots)
        var snapshot: String

        func run() throws {
            let client = try Client(options)
            let answer = try client.perform(
                Request("DescribeSnapshots", ["SnapshotId": snapshot]))
            guard !options.json else { return }
            let found = try DiskCommand.first(of: answer, "Snapshots", "Snapshot")
            var details = Details()
            details.add("Name", found.text("SnapshotName"))
            details.add("Id", found.text("SnapshotId"))
            details.add("Description", found.text("Description"))
            details.add(
                "Disk",
                found.flag("SourceDiskExists")
                    ? "\(found.text("SourceDiskName")) (\(found.text("SourceDiskId")))"
                    : "\(found.text("SourceDiskId")) (deleted)")
            details.add("Size", "\(found.size("SizeBytes")) (\(found.count("SizeBytes")) bytes)")
            details.add("Stored", found.size("StoredBytes"))
            details.add("Encryption", found.flag("Encrypted") ? "AES-256-GCM" : "none")
            details.add("Key", found.text("KMSKeyId"))
            details.add("Lineage", found.text("Lineage"))
            details.add("Created", found.text("CreationTime"))
            if case .mount(let mount) = client.door {
                details.add("File", mount.file(ofSnapshot: found.text("Name")))
            }
            details.add("Damage", found["Damage"]?.string)
            if !found.flag("Openable") {
                details.add("Note", "opens while a disk of its lineage is attached")
            }
            print(details.text, terminator: "")
            DamageNotes(noun: "snapshot", resources: [found], unlisted: []).tell()
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a snapshot.",
            discussion: """
                Frees what no other snapshot or disk uses.

                EXAMPLE:
                  sealdisk snapshot delete monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var confirmation: Confirmation

        @Argument(help: "The snapshot, named or by id.", completion: .snapshots)
        var snapshot: String

        func run() throws {
            let client = try Client(options)
            try confirmation.confirm { () throws(Failure) in
                let (disks, snapshots) = try client.everything()
                let answer = try client.ask(
                    Request("DescribeSnapshots", ["SnapshotId": snapshot]))
                let found = try DiskCommand.first(of: answer, "Snapshots", "Snapshot")
                return Deletion.question(snapshot: found, disks: disks, snapshots: snapshots)
            }
            let answer: Answer
            do {
                answer = try client.perform(Request("DeleteSnapshot", ["SnapshotId": snapshot]))
            } catch {
                guard case .mount(let mount) = client.door else { throw error }
                throw error.naming(holdersOf: mount.file(ofSnapshot: snapshot))
            }
            if !options.json { Deletion.tell("Deleted snapshot \(snapshot).", answer) }
        }
    }
}
