import ArgumentParser
import ControlPlane
import DiskEngine

struct StoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "What is done with a store as a whole.",
        discussion: """
            A store is made by `sealdisk init`, used by `sealdisk mount`, and verified by \
            `sealdisk check`.

            EXAMPLE:
              sealdisk store copy /srv/store /backup/store
            """,
        subcommands: [Copy.self])

    struct Copy: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy a whole store that is not mounted, as ciphertext, without its keys.",
            discussion: """
                FROM is only read, and may lie on a read-only medium. TO is a new folder, an empty \
                one, or one in which a copy of the same store was begun: the same command goes on \
                where an interrupted one stopped, and believes nothing that it finds there without \
                comparing it. At the end all of the copy is read back from the medium and \
                compared. Until then it cannot be mounted. Holes stay holes, and what does not \
                belong to a store is told and not copied.

                No keystore is asked for; to be used elsewhere the copy needs it. It is the same \
                store, by its id: only one of both may go on (MoveAndCopy.md).

                EXAMPLES:
                  sealdisk store copy /srv/store /backup/store
                  sealdisk store copy /srv/store /mnt/usb/store --rate 50M --progress lines
                  sealdisk store copy /srv/store 's3://offsite/store?endpoint=https://s3.example'
                """)

        @Argument(
            help: ArgumentHelp("The store's folder or URI.", valueName: "from"),
            completion: .directory)
        var from: String

        @Argument(
            help: ArgumentHelp("The folder of the copy, or its URI.", valueName: "to"),
            completion: .directory)
        var to: String

        @Option(help: ArgumentHelp("Read no more than this in a second.", valueName: "size"))
        var rate: String?

        @OptionGroup var telling: ProgressOptions

        @Flag(help: "Print what was copied as JSON.")
        var json = false

        func run() throws {
            let pace = Pace(bytesPerSecond: try rate.map(Pace.rate))
            let copying = StoreCopying(
                from: try StoreLocation.named(from),
                to: try StoreLocation(new: to, endpoint: nil).text)
            let progress = StoreCopyProgress(copying, telling.progress)
            Interruption.watch()
            let report = try copying.run { step in
                pace.wait(after: step.step)
                progress.reached(step)
                return !Interruption.isRequested
            }
            progress.end()
            for finding in report.foreign {
                Terminal.complain(
                    "sealdisk: not copied: "
                        + Table.printable("\(finding.file): \(finding.cause)") + "\n")
            }
            if json { return JSONOutput.show(Self.json(report, of: copying)) }
            print(Self.text(report, of: copying))
        }

        static func text(_ report: CopyReport, of copying: StoreCopying) -> String {
            let what = "\(report.files) files, \(ByteSize.text(report.bytes))"
            if report.wasWhole {
                return "The copy in \(copying.to) is finished already, and what \(copying.from) is:"
                    + " \(what), compared."
            }
            return "Copied store \(report.storeID) to \(copying.to): \(what), of which"
                + " \(ByteSize.text(report.writtenBytes)) were written now; all verified."
        }

        static func json(_ report: CopyReport, of copying: StoreCopying) -> JSON {
            let foreign: [JSON] = report.foreign.map {
                .object([
                    "File": .string($0.file), "Cause": .string($0.cause),
                    "Recommend": .string($0.advice),
                ])
            }
            return .object([
                "Store": .string(copying.from), "Copy": .string(copying.to),
                "StoreId": .string(report.storeID), "Files": .integer(report.files),
                "Bytes": .integer(report.bytes), "WrittenBytes": .integer(report.writtenBytes),
                "RemovedFiles": .integer(report.removedFiles), "WasWhole": .bool(report.wasWhole),
                "Foreign": .array(foreign),
            ])
        }
    }
}

/// Tells how far each of the two stages is, which are a job each.
private final class StoreCopyProgress {
    private let copying: StoreCopying
    private let form: ProgressForm
    private var stage: CopyProgress.Stage?
    private var progress: Progress?

    init(_ copying: StoreCopying, _ form: ProgressForm) {
        self.copying = copying
        self.form = form
    }

    func reached(_ step: CopyProgress) {
        if stage != step.stage {
            end()
            let what =
                switch step.stage {
                case .copying: "Copying \(copying.from)"
                case .verifying: "Verifying \(copying.to)"
                }
            progress = Progress(of: step.all, what, form)
            stage = step.stage
        }
        progress?.reached(step.done)
    }

    func end() { progress?.end() }
}
