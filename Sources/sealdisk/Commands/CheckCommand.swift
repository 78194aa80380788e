import ArgumentParser
import ControlPlane
import DiskEngine
import Synchronization

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Verify a whole store that is not mounted, and change nothing in it.",
        discussion: """
            Reads all that disks and snapshots lead to, with the log behind the last checkpoint, \
            manifests, and what else stands in the folder; tells what is not as it was left, whom \
            it concerns, and what to do. It works on a copy on a read-only medium, too.

            It asks the KMS for the keys, as a mount does. Where a key is not to be had, what can \
            be told without it is looked at, and the rest is told as not verified.

            It ends with 0 if all is well, with 8 if there is damage or something was planted, and \
            with 10 if there is none as far as could be seen: a key was missing, or it was \
            interrupted.

            EXAMPLES:
              sealdisk check /srv/store --key-file /root/sealdisk.key
              sealdisk check /backup/store --rate 50M --json
            """)

    @Argument(
        help: ArgumentHelp("The store's folder or URI.", valueName: "store"),
        completion: .directory)
    var store: String

    @Option(help: EndpointHelp.text)
    var endpoint: String?

    @Option(help: ArgumentHelp("Read no more than this in a second.", valueName: "size"))
    var rate: String?

    @OptionGroup var keys: KeyOptions
    @OptionGroup var telling: ProgressOptions

    @Flag(help: "Print the report as JSON.")
    var json = false

    func run() throws {
        Hardening.apply()
        let path = try StoreLocation.named(store, endpoint: endpoint)
        let pace = Pace(bytesPerSecond: try rate.map(Pace.rate))
        let progress = CheckProgress(path, telling.progress)
        Interruption.watch()
        let report: CheckReport
        do {
            report = try checkStore(at: path, keys: keys.keySource()) { count in
                pace.wait(after: count)
                progress.hasRead(count)
                return !Interruption.isRequested
            }
        } catch is CheckInterrupted {
            progress.end()
            throw Failure(
                incomplete: "Interrupted.", advice: "Begin again: nothing was changed.")
        }
        progress.end()
        if json {
            JSONOutput.show(CheckText.json(report, of: path))
        } else {
            print(CheckText.text(report))
        }
        if let failure = CheckText.failure(report) { throw failure }
    }
}

/// Tells on a terminal how much was read, now and then.
private final class CheckProgress: Sendable {
    private static let step: UInt64 = 8 << 20
    private let progress: Progress
    private let bytes = Atomic<UInt64>(0)

    init(_ store: String, _ form: ProgressForm) {
        progress = Progress(of: 0, "Checking \(store)", form)
    }

    func hasRead(_ count: UInt64) {
        let all = bytes.wrappingAdd(count, ordering: .relaxed).newValue
        if all / Self.step != (all - count) / Self.step { progress.reached(all) }
    }

    func end() { progress.end() }
}
