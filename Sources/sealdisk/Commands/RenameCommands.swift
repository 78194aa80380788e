import ArgumentParser
import ControlPlane

extension DiskCommand {
    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a disk another name.",
            discussion: """
                Attached or not. Its file in the mount is called so from then on; programs that \
                have it open, and loop devices, go on as they are.

                EXAMPLE:
                  sealdisk disk rename data photos
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The disk.", completion: .disks)
        var disk: String

        @Argument(help: "Its new name, which no other disk has.")
        var newName: String

        func run() throws {
            try Client(options).perform(
                Request("ModifyDiskAttribute", ["DiskId": disk, "DiskName": newName]))
            if !options.json { print("Disk \(disk) is called \(newName) now.") }
        }
    }
}

extension SnapshotCommand {
    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a snapshot another name.",
            discussion: """
                What it holds never changes.

                EXAMPLE:
                  sealdisk snapshot rename monday before-upgrade
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @Argument(help: "The snapshot, named or by id.", completion: .snapshots)
        var snapshot: String

        @Argument(help: "Its new name, which no other snapshot has.")
        var newName: String

        func run() throws {
            try Client(options).perform(
                Request(
                    "ModifySnapshotAttribute",
                    ["SnapshotId": snapshot, "SnapshotName": newName]))
            if !options.json { print("Snapshot \(snapshot) is called \(newName) now.") }
        }
    }
}
