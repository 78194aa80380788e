import ArgumentParser
import ControlPlane
import Glibc

extension ImageCommand {
    struct Copy: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy a plain image to another store, of another region perhaps.",
            discussion: """
                Its snapshots are imported there, those that are there already excepted, and the \
                image is made of them. Images of encrypted snapshots are refused. An interrupted \
                copy is finished by the same command.

                EXAMPLE:
                  sealdisk image copy gold /mnt/other
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup var telling: ProgressOptions

        @Argument(help: "The image.")
        var image: String

        @Argument(
            help: ArgumentHelp("The other store's mount point, or its folder.", valueName: "other"))
        var other: String

        @Option(help: "The image's name there; the same if none is given.")
        var name: String?

        func run() throws {
            let client = try Client(options)
            let mount = try client.demandMount(for: "copying an image")
            let target = try there()
            let answer = try client.ask(Request("CopyImage", ["ImageId": image]))
            let files = answer.fields["Files"]?.array ?? []
            for file in files { try bring(file, from: mount, to: target) }
            var parameters: [(String, String?)] = [
                (
                    "ImageName",
                    name ?? answer.fields["ImageName"]?.string.flatMap { $0.isEmpty ? nil : $0 }
                )
            ]
            for (index, file) in files.enumerated() {
                parameters.append(
                    ("DiskDeviceMapping.\(index + 1).SnapshotId", file.text("SnapshotId")))
            }
            let made = try target.perform(Request("CreateImage", parameters))
            if !options.json { print("Copied image \(image) as \(made.fields.text("ImageId")).") }
        }

        private func there() throws(Failure) -> Client {
            if (try? StoreURI(other)) != nil {
                var options = options
                (options.store, options.mount) = (other, nil)
                return try Client(options)
            }
            let path = try AbsolutePath.existing(other, as: "store or mount point")
            if let mount = MountedStore.all().first(where: { $0.mountPoint == path }) {
                return try Client(at: mount, options)
            }
            var options = options
            (options.store, options.mount) = (path, nil)
            return try Client(options)
        }

        private func bring(
            _ file: JSON, from mount: MountedStore, to target: Client
        ) throws(Failure) {
            let id = file.text("SnapshotId")
            let found = try target.ask(Request("DescribeSnapshots", ["SnapshotIds": id]))
            guard found.fields.count("TotalCount") == 0 else { return }
            let input = try SealedInput("\(mount.mountPoint)/\(file.text("Path"))")
            _ = try target.importSnapshot(input, telling.progress)
        }
    }
}
