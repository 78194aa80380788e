import ArgumentParser
import ControlPlane

struct InstanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "instance",
        abstract: "Name who uses disks: create, list, rename and delete instances.",
        discussion: """
            An instance is a name under which disks are found together, instances/NAME/vdb in the \
            mount. The host itself is one, always there, called local. A disk is attached to one \
            instance at a time; shared block storage (categories san_ssd, san_efficiency) to up \
            to 16.

            EXAMPLES:
              sealdisk instance create web --disk size=20,encrypted=true,name=web-data
              sealdisk disk attach photos --instance web
              sealdisk instance list
            """,
        subcommands: [Create.self, List.self, Rename.self, Delete.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create an instance, with disks if any are described: all of it or nothing.",
            discussion: """
                A disk is described by size, snapshot, encrypted, name, category, description and \
                delete-with-instance, with commas in between.

                EXAMPLE:
                  sealdisk instance create web --disk size=20,encrypted=true --disk snapshot=gold
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The instance's name.")
        var name: String

        @Option(
            help: ArgumentHelp("A disk it is made with; may be repeated.", valueName: "key=value,…")
        )
        var disk: [String] = []

        @Option(help: "Make it with a disk from each snapshot of this image.")
        var image: String?

        @Option(help: "What it is for.")
        var description: String?

        private static let keys = [
            "size": "Size", "snapshot": "SnapshotId", "encrypted": "Encrypted",
            "name": "DiskName", "category": "Category", "description": "Description",
            "delete-with-instance": "DeleteWithInstance",
        ]

        func run() throws {
            var parameters: [(String, String?)] = [
                ("InstanceName", name), ("ImageId", image), ("Description", description),
            ]
            for (index, text) in disk.enumerated() {
                for part in text.split(separator: ",") {
                    let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
                    guard pair.count == 2, let key = Self.keys[pair[0]] else {
                        throw ValidationError(
                            "'\(part)' describes no disk: say one of"
                                + " \(Self.keys.keys.sorted().joined(separator: ", ")), with =.")
                    }
                    parameters.append(("DataDisk.\(index + 1).\(key)", pair[1]))
                }
            }
            let answer = try Client(options).perform(Request("CreateInstance", parameters))
            guard !options.json else { return }
            let disks = answer.fields["DiskIds"]?["DiskId"]?.array?.compactMap(\.string) ?? []
            let with = disks.isEmpty ? "" : " with \(disks.joined(separator: ", "))"
            print("Created instance \(name) (\(answer.fields.text("InstanceId")))\(with).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List instances and their disks.",
            discussion: """
                EXAMPLE:
                  sealdisk instance list
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup(title: "LIST OPTIONS") var list: ListOptions

        func run() throws {
            try list.check(.instances([:]))
            try list.watching.repeating {
                let client = try Client(options)
                let answer = try client.perform(Request("DescribeInstances"))
                guard !options.json else { return }
                let names = Dictionary(
                    try DiskCommand.all(through: client).map {
                        ($0.text("DiskId"), $0.text("Name"))
                    },
                    uniquingKeysWith: { first, _ in first })
                let instances = ResourceList.instances(names)
                let all = answer.fields["Instances"]?["Instance"]?.array ?? []
                try list.show(all, of: instances, usual: instances.table)
            }
        }
    }

    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give an instance another name.",
            discussion: """
                EXAMPLE:
                  sealdisk instance rename web shop
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The instance.", completion: .instances)
        var instance: String

        @Argument(help: "Its new name, which no other instance has.")
        var newName: String

        func run() throws {
            try Client(options).perform(
                Request(
                    "ModifyInstanceAttribute",
                    ["InstanceId": instance, "InstanceName": newName]))
            if !options.json { print("Instance \(instance) is called \(newName) now.") }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete an instance; its disks are detached.",
            discussion: """
                Disks stay, but those that were said to go with their instance: `sealdisk disk set \
                DISK --delete-with-instance true`. Nothing may use its disks.

                EXAMPLE:
                  sealdisk instance delete web
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var confirmation: Confirmation

        @Argument(help: "The instance.", completion: .instances)
        var instance: String

        func run() throws {
            let client = try Client(options)
            try confirmation.confirm { () throws(Failure) in
                let going = try DiskCommand.all(through: client).filter { disk in
                    let places = disk["Attachments"]?["Attachment"]?.array ?? []
                    return disk.flag("DeleteWithInstance") && places.count == 1
                }
                let found = try client.ask(
                    Request("DescribeInstances", ["InstanceId": instance]))
                let id = found.fields["Instances"]?["Instance"]?.array?.first?.text("InstanceId")
                let names = going.filter { $0.text("InstanceId") == id }.map { $0.text("Name") }
                let lost =
                    names.isEmpty
                    ? "No disk goes with it."
                    : "With it go for ever: \(names.joined(separator: ", "))."
                return "Delete instance \(instance)? \(lost)"
            }
            let answer = try client.perform(
                Request("DeleteInstance", ["InstanceId": instance]))
            guard !options.json else { return }
            let gone = answer.fields["DeletedDiskIds"]?["DiskId"]?.array?.compactMap(\.string) ?? []
            let with = gone.isEmpty ? "" : " and its disks \(gone.joined(separator: ", "))"
            print("Deleted instance \(instance)\(with).")
        }
    }
}
