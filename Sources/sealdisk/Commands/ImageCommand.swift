import ArgumentParser
import ControlPlane

struct ImageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Keep snapshots as images: create, list, share, export and delete them.",
        discussion: """
            An image is one or more snapshots under a name, of which instances are made. Those of \
            encrypted snapshots never leave their account, region and store.

            EXAMPLES:
              sealdisk image create gold --snapshot monday
              sealdisk instance create web --image gold
              sealdisk image export gold /backup --format qcow2
            """,
        subcommands: [
            Create.self, List.self, Share.self, Copy.self, Export.self, Delete.self,
        ])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create an image of snapshots.",
            discussion: """
                EXAMPLE:
                  sealdisk image create gold --snapshot monday
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The image's name.")
        var name: String

        @Option(help: "A snapshot it is made of; may be repeated.", completion: .snapshots)
        var snapshot: [String]

        @Option(help: "What it is for.")
        var description: String?

        func run() throws {
            var parameters: [(String, String?)] = [
                ("ImageName", name), ("Description", description),
            ]
            for (index, snapshot) in snapshot.enumerated() {
                parameters.append(("DiskDeviceMapping.\(index + 1).SnapshotId", snapshot))
            }
            let answer = try Client(options).perform(Request("CreateImage", parameters))
            guard !options.json else { return }
            print("Created image \(name) (\(answer.fields.text("ImageId"))).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List images.",
            discussion: """
                EXAMPLE:
                  sealdisk image list
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup(title: "LIST OPTIONS") var list: ListOptions

        func run() throws {
            try list.check(.images)
            try list.watching.repeating {
                let answer = try Client(options).perform(Request("DescribeImages"))
                guard !options.json else { return }
                let all = answer.fields["Images"]?["Image"]?.array ?? []
                guard !all.isEmpty else {
                    return Terminal.complain(
                        "No images. Make one: sealdisk image create NAME --snapshot SNAPSHOT\n")
                }
                try list.show(all, of: .images, usual: ResourceList.images.table)
            }
        }
    }

    struct Share: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say which accounts an image is shared with; plain images only.",
            discussion: """
                EXAMPLE:
                  sealdisk image share gold --add partner --remove former
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The image.")
        var image: String

        @Option(help: "An account to share it with; may be repeated.")
        var add: [String] = []

        @Option(help: "An account to share it with no more; may be repeated.")
        var remove: [String] = []

        func run() throws {
            var parameters: [(String, String?)] = [("ImageId", image)]
            for (index, account) in add.enumerated() {
                parameters.append(("AddAccount.\(index + 1)", account))
            }
            for (index, account) in remove.enumerated() {
                parameters.append(("RemoveAccount.\(index + 1)", account))
            }
            try Client(options).perform(Request("ModifyImageSharePermission", parameters))
            if !options.json { print("Changed who image \(image) is shared with.") }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete an image; its snapshots stay.",
            discussion: """
                EXAMPLE:
                  sealdisk image delete gold
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup var confirmation: Confirmation

        @Argument(help: "The image.")
        var image: String

        func run() throws {
            let client = try Client(options)
            try confirmation.confirm { () throws(Failure) in
                "Delete image \(image)? No instance can be made of it any more; its snapshots stay."
            }
            try client.perform(Request("DeleteImage", ["ImageId": image]))
            if !options.json { print("Deleted image \(image).") }
        }
    }
}
