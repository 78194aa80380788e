import ArgumentParser
import ControlPlane

extension SnapshotCommand {
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy a snapshot out as ciphertext, into one file.",
            discussion: """
                The file is the snapshot sealed under its disk's key: safe to keep anywhere, the \
                same bytes each time, and checked by `sealdisk snapshot verify`. The key must be \
                in memory meanwhile: a disk of its lineage attached. Until it is whole the file is \
                called FILE.part; the same command goes on where an interrupted one stopped.

                With --from only what an earlier snapshot does not have is written; who imports it \
                must have that one.

                EXAMPLES:
                  sealdisk snapshot export monday /backup/monday.sealed
                  sealdisk snapshot export tuesday /backup/tuesday.sealed --from monday
                  sealdisk snapshot export monday - | ssh host 'cat > monday.sealed'
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup var telling: ProgressOptions

        @Argument(help: "The snapshot, named or by id.", completion: .snapshots)
        var snapshot: String

        @Argument(help: "The file to make, or - for standard output.", completion: .file())
        var file: String

        @Option(
            help: ArgumentHelp(
                "Only the difference to this earlier snapshot of the same disk, or of one it was"
                    + " made from.", valueName: "earlier"), completion: .snapshots)
        var from: String?

        func run() throws {
            let client = try Client(options)
            let mount = try client.demandMount(for: "exporting")
            let found = try Self.describe(snapshot, client)
            var source = mount.file(ofSnapshot: found.text("SnapshotId"))
            if let from {
                source += ".since." + (try Self.describe(from, client).text("SnapshotId"))
            }
            let copy = SealedCopy(
                snapshot: snapshot, source: source + ".sealed", progress: telling.progress)
            // What is there is the snapshot's, and nothing else may come between.
            if file == "-" { JSONOutput.begin() }
            let made = file == "-" ? try copy.toOutput() : try copy.toFile(file)
            let text = "Exported snapshot \(snapshot): \(made.bytes) bytes, SHA-256 \(made.digest)."
            switch (file, options.json) {
            case ("-", _): Terminal.complain(text + "\n")
            case (_, true):
                let fields: JSONObject = [
                    "SnapshotId": .string(found.text("SnapshotId")),
                    "Bytes": .integer(made.bytes), "Digest": .string(made.digest),
                ]
                JSONOutput.show(.object(fields))
            case (_, false): print(text)
            }
        }

        private static func describe(_ snapshot: String, _ client: Client) throws(Failure) -> JSON {
            try DiskCommand.first(
                of: client.ask(Request("DescribeSnapshots", ["SnapshotId": snapshot])),
                "Snapshots", "Snapshot")
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a file that `snapshot export` made, without any store.",
            discussion: """
                Reads all of it. Without its key the file's structure and hashes are checked, \
                which find whatever happened to it by accident; with --with-key every byte is \
                authenticated, by the KMS of the keystore at hand. What is printed as digest is \
                what sha256sum prints.

                EXAMPLES:
                  sealdisk snapshot verify /backup/monday.sealed
                  ssh host cat monday.sealed | sealdisk snapshot verify - --with-key
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions
        @OptionGroup var telling: ProgressOptions

        @Argument(help: "The file, or - for standard input.", completion: .file())
        var file: String

        @Flag(help: "Unwrap its key with the keystore's KMS, and authenticate every byte.")
        var withKey = false

        func run() throws {
            if withKey { Hardening.apply() }
            let report = try SealedCopy.check(
                file, keys: withKey ? home.service(options) : nil, telling.progress)
            if options.json { return JSONOutput.show(SealedReport.json(report)) }
            print(SealedReport.text(report), terminator: "")
        }
    }
}
