import ArgumentParser
import ControlPlane

extension DiskCommand {
    struct Usage: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what a disk holds, and what it alone holds.",
            discussion: """
                What it alone holds is what the store gets back when the disk is deleted and its \
                snapshots, and the disks made from them, are not. The disk must be attached.

                EXAMPLE:
                  sealdisk disk usage data
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        func run() throws {
            let answer = try Client(options).perform(
                Request("DescribeDiskUsage", ["DiskId": disk]))
            guard !options.json else { return }
            var details = Details()
            details.add("Size", answer.fields.size("SizeBytes"))
            details.add("Stored", answer.fields.size("StoredBytes"))
            details.add("Exclusive", answer.fields.size("ExclusiveBytes"))
            print(details.text, terminator: "")
        }
    }
}
