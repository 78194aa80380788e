import ArgumentParser
import ControlPlane

struct DiskCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disk",
        abstract: "Create, list, attach and change disks.",
        discussion: """
            A disk is named by its name, or by its id or the beginning of it that `list` shows.

            EXAMPLES:
              sealdisk disk create data --size 20G --encrypted
              sealdisk disk attach data --loop --mkfs ext4 --at /data
              sealdisk disk list
              sealdisk disk detach data
            """,
        subcommands: [
            Create.self, List.self, Show.self, Usage.self, Attach.self, Detach.self, Rename.self,
            Set.self,
            Resize.self, Reset.self, Reinit.self, Delete.self,
        ])

    /// The one disk of that name or id, as DescribeDisks shows it.
    static func describe(_ disk: String, through client: Client) throws(Failure) -> JSON {
        let answer = try client.ask(Request("DescribeDisks", ["DiskId": disk]))
        return try first(of: answer, "Disks", "Disk")
    }

    /// All disks there are.
    static func all(through client: Client) throws(Failure) -> [JSON] {
        try client.ask(Request("DescribeDisks")).fields["Disks"]?["Disk"]?.array ?? []
    }

    /// Why the disk takes no more writes; nil if it does, or it is not known.
    static func failure(of disk: JSON, through client: Client) -> String? {
        let store = try? client.ask(Request("DescribeStore")).fields["Store"]
        let disks = store?["Engine"]?["disks"]?.array ?? []
        return disks.first { $0.text("id") == disk.text("DiskId") }?["failure"]?.string
    }

    /// Puts other content on a disk, which nothing may have open meanwhile.
    static func replace(
        _ disk: String, by request: Request, _ options: GlobalOptions, done: String
    ) throws(Failure) {
        let client = try Client(options)
        let found = try describe(disk, through: client)
        var loops: [String] = []
        if let attached = AttachedDisk(found, through: client) {
            loops = try attached.withoutLoops { () throws(Failure) in try client.perform(request) }
        } else {
            try client.perform(request)
        }
        guard !options.json else { return }
        print("Disk \(disk) \(done).")
        if !loops.isEmpty { print("Its loop devices: \(loops.joined(separator: ", ")).") }
    }

    /// What there is to say where a disk is already as it was asked to be: with --json the disk,
    /// for there is no reply of the action.
    static func tellNothingToDo(
        _ state: String, _ disk: JSON, json: Bool
    ) {
        if json { return JSONOutput.show(disk) }
        Terminal.complain("Disk \(Table.printable(disk.text("Name"))) \(state).\n")
    }

    static func first(
        of answer: Answer, _ list: String, _ element: String
    ) throws(Failure) -> JSON {
        guard let found = answer.fields[list]?[element]?.array?.first else {
            throw Failure(
                .failed, "The reply to a description holds nothing.",
                advice: "Mount the store with the version of this program.")
        }
        return found
    }
}

/// `--encrypted` or `--plain`.
enum Encryption: String, EnumerableFlag {
    case encrypted, plain

    static func help(for value: Encryption) -> ArgumentHelp? {
        switch value {
        case .encrypted: "Seal everything on it (AES-256-GCM)."
        case .plain: "Keep it readable to whoever reads the store."
        }
    }

    /// As the parameter Encrypted.
    var parameter: String { self == .encrypted ? "true" : "false" }
}

extension DiskCommand {
    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a disk, blank or from a snapshot.",
            discussion: """
                Space is taken as it is written, not when the disk is created. A disk from a \
                snapshot is encrypted if the snapshot is, and at least as large.

                EXAMPLES:
                  sealdisk disk create data --size 20G --encrypted
                  sealdisk disk create copy --snapshot monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk's name: letters, digits, '.', '_', ':' and '-'.")
        var name: String

        @Option(help: "Its size: 20 (GiB), or with a unit: 64MiB, 20G, 1.5TiB. 4 KiB to 32 TiB.")
        var size: String?

        @Flag(help: "Whether it is encrypted; plain if neither is said.")
        var encryption: Encryption?

        @Option(help: "Create it from this snapshot, named or by id.", completion: .snapshots)
        var snapshot: String?

        @Option(help: "What it is for.")
        var description: String?

        @Option(
            help: ArgumentHelp(
                "Its category, as in the cloud (cloud_essd, san_ssd, …).",
                discussion: "It then has a size that the category has: 20 GiB at least, mostly."))
        var category: String?

        @OptionGroup var flags: DiskFlagOptions

        func run() throws {
            // Not in `validate`, which comes before options that do not exist are told: the option
            // that is missing may be the one that was misspelt.
            guard size != nil || snapshot != nil else {
                throw ValidationError("Say --size (for a blank disk) or --snapshot.")
            }
            let client = try Client(options)
            let answer = try client.perform(
                Request(
                    "CreateDisk",
                    [
                        "DiskName": name, "Size": size, "Encrypted": encryption?.parameter,
                        "SnapshotId": snapshot, "Description": description,
                        "DiskCategory": category,
                        "DeleteWithInstance": flags.goesWithInstance,
                        "DeleteAutoSnapshot": flags.takesAutoSnapshots,
                        "LimitSpeed": flags.isLimited,
                    ]))
            guard !options.json else { return }
            let id = answer.fields.text("DiskId")
            let disk = try DiskCommand.describe(id, through: client)
            let kind = disk.flag("Encrypted") ? "encrypted" : "plain"
            print("Created \(kind) disk \(name) (\(id)), \(disk.size("SizeBytes")).")
        }
    }

    struct Resize: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a disk larger.",
            discussion: """
                At once if it is attached, its loop device too; else when it is attached next. \
                The file system on it grows with its own tool (resize2fs, xfs_growfs).

                EXAMPLE:
                  sealdisk disk resize data --size 40G
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        @Option(help: "The new size: 40 (GiB), or with a unit.")
        var size: String

        func run() throws {
            let client = try Client(options)
            let before = try DiskCommand.describe(disk, through: client)
            if isReached(by: before) {
                DiskCommand.tellNothingToDo(
                    "has that size already", before, json: options.json)
            } else {
                try client.perform(Request("ResizeDisk", ["DiskId": disk, "NewSize": size]))
            }
            let now = try DiskCommand.describe(disk, through: client)
            if case .mount(let mount) = client.door, now.flag("Open") {
                for loop in LoopDevice.all(of: mount.file(ofDisk: now.text("Name"))) {
                    try loop.updateSize()
                }
            }
            guard !options.json, !isReached(by: before) else { return }
            let name = now.text("Name")
            if now["PendingSizeBytes"] != nil {
                print("Disk \(name) will be \(now.size("PendingSizeBytes")) when it is attached.")
            } else {
                print("Disk \(name) is \(now.size("SizeBytes")) now.")
            }
        }

        private func isReached(by disk: JSON) -> Bool {
            let present = disk["PendingSizeBytes"]?.unsigned ?? disk.count("SizeBytes")
            return (try? ByteSize.diskSize(size)) == present
        }
    }

    struct Reset: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Roll a disk back to one of its snapshots, size included.",
            discussion: """
                What was written since is lost. Nothing may have the disk open; a loop device that \
                is not in use is taken away and set up again.

                EXAMPLE:
                  sealdisk disk reset data --snapshot monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        @Option(help: "The snapshot to go back to, named or by id.", completion: .snapshots)
        var snapshot: String

        @OptionGroup var confirmation: Confirmation

        func run() throws {
            try confirmation.confirm { () throws(Failure) in
                let client = try Client(options)
                return Deletion.question(
                    disk: try DiskCommand.describe(disk, through: client),
                    goesBackTo: try SnapshotCommand.describe(snapshot, through: client))
            }
            try DiskCommand.replace(
                disk, by: Request("ResetDisk", ["DiskId": disk, "SnapshotId": snapshot]), options,
                done: "is as it was at snapshot \(snapshot)")
        }
    }

    struct Reinit: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring a disk back to its state at creation.",
            discussion: """
                Blank, or as the snapshot it was created from. Everything on it is lost. A disk \
                with snapshots is refused; nothing may have it open.

                EXAMPLE:
                  sealdisk disk reinit data
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var confirmation: Confirmation

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        func run() throws {
            try confirmation.confirm { () throws(Failure) in
                Deletion.question(
                    reinitializing: try DiskCommand.describe(disk, through: Client(options)))
            }
            try DiskCommand.replace(
                disk, by: Request("ReInitDisk", ["DiskId": disk]), options,
                done: "is as it was when it was created")
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a disk for ever.",
            discussion: """
                Its snapshots stay. With the last disk and snapshot that share its data key the \
                key is gone, too: nobody can read what remains on the medium.

                EXAMPLE:
                  sealdisk disk delete data
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var confirmation: Confirmation

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        func run() throws {
            let client = try Client(options)
            try confirmation.confirm { () throws(Failure) in
                let (disks, snapshots) = try client.everything()
                let found = try DiskCommand.describe(disk, through: client)
                return Deletion.question(disk: found, disks: disks, snapshots: snapshots)
            }
            let answer = try client.perform(Request("DeleteDisk", ["DiskId": disk]))
            if !options.json { Deletion.tell("Deleted disk \(disk).", answer) }
        }
    }
}
