import ArgumentParser
import ControlPlane

/// What becomes of a disk, and how fast it is; nothing that is not said changes.
struct DiskFlagOptions: ParsableArguments {
    @Option(help: "Whether it is deleted with its instance: true or false.")
    var deleteWithInstance: Bool?

    @Option(help: "Whether its automatic snapshots are deleted with it: true or false.")
    var deleteAutoSnapshots: Bool?

    @Option(help: "Whether it is held to the speed of its category: true or false.")
    var limitSpeed: Bool?

    var goesWithInstance: String? { deleteWithInstance.map { "\($0)" } }
    var takesAutoSnapshots: String? { deleteAutoSnapshots.map { "\($0)" } }
    var isLimited: String? { limitSpeed.map { "\($0)" } }
}

extension DiskCommand {
    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change what a disk is for, what goes with it, and how fast it is.",
            discussion: """
                EXAMPLES:
                  sealdisk disk set data --description "the shop's database"
                  sealdisk disk set data --limit-speed true
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        @Option(help: "What it is for.")
        var description: String?

        @OptionGroup var flags: DiskFlagOptions

        func run() throws {
            try Client(options).perform(
                Request(
                    "ModifyDiskAttribute",
                    [
                        "DiskId": disk, "Description": description,
                        "DeleteWithInstance": flags.goesWithInstance,
                        "DeleteAutoSnapshot": flags.takesAutoSnapshots,
                        "LimitSpeed": flags.isLimited,
                    ]))
            if !options.json { print("Changed disk \(disk).") }
        }
    }
}
