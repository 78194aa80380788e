import ArgumentParser
import ControlPlane

extension DiskCommand {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the disks.",
            discussion: """
                EXAMPLES:
                  sealdisk disk list --encrypted --sort stored:desc
                  sealdisk disk list -o +category,open --watch
                """, aliases: ["ls"])

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup(title: "LIST OPTIONS") var list: ListOptions

        @Flag var kind: Kind?

        /// Which disks are listed.
        enum Kind: String, EnumerableFlag {
            case encrypted, plain

            static func help(for kind: Kind) -> ArgumentHelp? {
                switch kind {
                case .encrypted: "Only those that are encrypted."
                case .plain: "Only those that are not encrypted."
                }
            }
        }

        func run() throws {
            try list.check(.disks)
            try list.watching.repeating { try show() }
        }

        private func show() throws {
            let client = try Client(options)
            let answer = try client.perform(
                Request("DescribeDisks", ["Encrypted": kind.map { "\($0 == .encrypted)" }]))
            guard !options.json else { return }
            let disks = answer.fields["Disks"]?["Disk"]?.array ?? []
            let damage = DamageNotes(
                noun: "disk", resources: disks, unlisted: answer.fields["Damaged"]?.array ?? [])
            defer { damage.tell() }
            guard !disks.isEmpty else {
                return Terminal.complain(
                    "No disks. Create one: sealdisk disk create NAME --size 20G --encrypted\n")
            }
            // What is told apart on a terminal are all disks, not only those that are asked for.
            let all =
                kind == nil || Terminal.width == nil
                ? disks : try DiskCommand.all(through: client)
            let ids = all.map { $0.text("DiskId") }
            try list.show(disks, of: .disks) { rows, width in
                DiskTable(rows, among: ids).table(width: width)
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show all there is to know of a disk.",
            discussion: """
                EXAMPLE:
                  sealdisk disk show data
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        func run() throws {
            let client = try Client(options)
            let answer = try client.perform(Request("DescribeDisks", ["DiskId": disk]))
            guard !options.json else { return }
            let disk = try DiskCommand.first(of: answer, "Disks", "Disk")
            var details = Self.details(of: disk)
            if case .mount(let mount) = client.door {
                let file = mount.file(ofDisk: disk.text("Name"))
                details.add("File", file)
                if disk.flag("Open") {
                    let loops = LoopDevice.all(of: file).map(\.path)
                    details.add("Loop devices", loops.joined(separator: ", "))
                }
            }
            print(details.text, terminator: "")
            DamageNotes(noun: "disk", resources: [disk], unlisted: []).tell()
        }

        private static func details(of disk: JSON) -> Details {
            var details = Details()
            details.add("Name", disk.text("DiskName"))
            details.add("Id", disk.text("DiskId"))
            details.add("Description", disk.text("Description"))
            details.add("Size", "\(disk.size("SizeBytes")) (\(disk.count("SizeBytes")) bytes)")
            if disk["PendingSizeBytes"] != nil {
                details.add("Next size", "\(disk.size("PendingSizeBytes")), when attached")
            }
            details.add("Stored", disk.size("StoredBytes"))
            details.add("Status", DiskTable.standing(of: disk))
            details.add("In use by", disk["HeldElsewhere"]?.string)
            details.add("Category", disk.text("Category"))
            details.add("Encryption", disk.flag("Encrypted") ? "AES-256-GCM" : "none")
            details.add("Key", disk.text("KMSKeyId"))
            details.add("Lineage", disk.text("Lineage"))
            details.add("From snapshot", disk.text("SourceSnapshotId"))
            details.add("Snapshots", "\(disk.count("SnapshotCount"))")
            details.add("Created", disk.text("CreationTime"))
            details.add("Damage", disk["Damage"]?.string)
            if !disk.flag("Verified") {
                details.add("Note", "its records are verified only while it is attached")
            }
            return details
        }
    }
}
