import ArgumentParser
import ControlPlane

struct ScrubCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scrub",
        abstract: "Verify what is stored, while it is in use.",
        discussion: """
            Reads from the medium every block and every page of the maps that attached disks and \
            their snapshots lead to, and tells what is not what was sealed: where, in which file, \
            and who else has it. What snapshots have in common is read once. What is damaged can \
            be put back from a copy of the store, file by file, while it is mounted.

            Interrupted, it says how to go on from there. It ends with 8 if anything was found.

            EXAMPLES:
              sealdisk scrub
              sealdisk scrub data --rate 50M
            """)

    @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

    @OptionGroup var telling: ProgressOptions

    @Argument(
        help: "Attached disks, or snapshots; without any, all of them.",
        completion: .disksAndSnapshots)
    var names: [String] = []

    @Option(help: ArgumentHelp("Read no more than this in a second.", valueName: "size"))
    var rate: String?

    @Option(
        help: ArgumentHelp(
            "Go on from here: what an interrupted scrub said.", valueName: "id:offset"))
    var from: String?

    func run() throws {
        let client = try Client(options)
        _ = try client.demandMount(for: "verifying disks in use")
        let pace = Pace(bytesPerSecond: try rate.map(Pace.rate))
        var targets = try ScrubTarget.all(through: client, named: names)
        if let from { targets = try ScrubTarget.resuming(targets, from: from) }
        guard !targets.isEmpty else {
            throw Failure(
                .busy, "There is nothing to verify: no disk is attached.",
                advice: "Attach disks first: sealdisk disk attach NAME")
        }
        let report = ScrubReport(isJSON: options.json)
        Interruption.watch()
        for target in targets { try scrub(target, through: client, pace, report) }
        report.end()
        if report.count > 0 { throw report.failure }
    }

    private func scrub(
        _ target: ScrubTarget, through client: Client, _ pace: Pace, _ report: ScrubReport
    ) throws {
        let progress = Progress(
            of: target.size, "Verifying \(target.name)", telling.progress, from: target.start)
        defer { progress.end() }
        var offset: UInt64? = target.start
        while let start = offset {
            guard !Interruption.isRequested else {
                progress.end()
                throw Failure(
                    .busy, "Interrupted.",
                    advice: "To go on: sealdisk scrub"
                        + "\(names.map { " \($0)" }.joined()) --from \(target.id):\(start)")
            }
            let answer = try client.ask(target.request(from: start)).fields
            report.add(answer, of: target)
            pace.wait(after: answer.count("VerifiedBytes"))
            offset = answer["NextOffset"].map { _ in answer.count("NextOffset") }
            progress.reached(offset ?? target.size)
        }
    }
}

/// A disk or snapshot to be verified, but for what an older snapshot has in common with it.
struct ScrubTarget {
    let isDisk: Bool
    let id: String
    let name: String
    let size: UInt64
    let base: String?
    var start: UInt64 = 0

    func request(from offset: UInt64) -> Request {
        Request(
            isDisk ? "ScrubDisk" : "ScrubSnapshot",
            [
                isDisk ? "DiskId" : "SnapshotId": id, "BaseSnapshotId": base,
                "StartOffset": "\(offset)",
            ])
    }

    /// Of each disk its snapshots, oldest first, and then the disk itself; or what is named, by
    /// itself.
    static func all(through client: Client, named names: [String]) throws(Failure) -> [ScrubTarget]
    {
        let disks = try DiskCommand.all(through: client)
        let snapshots = try SnapshotCommand.all(through: client)
        guard names.isEmpty else {
            var targets: [ScrubTarget] = []
            for name in names {
                if let disk = disks.first(where: { isCalled($0, "DiskId", name) }) {
                    targets.append(.init(disk, isDisk: true, base: nil))
                } else if let snapshot = snapshots.first(where: { isCalled($0, "SnapshotId", name) }
                ) {
                    targets.append(.init(snapshot, isDisk: false, base: nil))
                } else {
                    throw Failure(
                        .notFound, "There is no disk and no snapshot '\(name)'.",
                        advice: "See sealdisk disk list and sealdisk snapshot list.")
                }
            }
            return targets
        }
        var targets: [ScrubTarget] = []
        var last: [String: String] = [:]
        for snapshot in snapshots where snapshot.flag("Openable") {
            let disk = snapshot.text("SourceDiskId")
            targets.append(.init(snapshot, isDisk: false, base: last[disk]))
            last[disk] = snapshot.text("SnapshotId")
        }
        for disk in disks where disk.flag("Open") {
            targets.append(.init(disk, isDisk: true, base: last[disk.text("DiskId")]))
        }
        return targets
    }

    private static func isCalled(_ resource: JSON, _ id: String, _ name: String) -> Bool {
        resource.text(id) == name || resource.text("Name") == name
    }

    private init(_ resource: JSON, isDisk: Bool, base: String?) {
        self.isDisk = isDisk
        id = resource.text(isDisk ? "DiskId" : "SnapshotId")
        name = resource.text("Name")
        size = resource.count("SizeBytes")
        self.base = base
    }

    /// The targets from the one on that `place`, an id and an offset, names.
    static func resuming(_ targets: [ScrubTarget], from place: String) throws(Failure)
        -> [ScrubTarget]
    {
        let parts = place.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let offset = UInt64(parts[1]),
            let index = targets.firstIndex(where: { $0.id == parts[0] })
        else {
            throw Failure(
                .invalid, "--from \(place): there is nothing to go on with.",
                advice: "Give what an interrupted scrub said, or leave it out.")
        }
        var rest = Array(targets[index...])
        rest[0].start = offset
        return rest
    }
}

/// What was found, told as it comes.
private final class ScrubReport {
    private let isJSON: Bool
    private(set) var count = 0
    private var verified: UInt64 = 0
    private var sinceCheckpoint: UInt64 = 0
    private var findings: [JSON] = []

    init(isJSON: Bool) { self.isJSON = isJSON }

    func add(_ answer: JSON, of target: ScrubTarget) {
        verified += answer.count("VerifiedBytes")
        sinceCheckpoint += answer.count("SinceCheckpointBytes")
        for finding in answer["Findings"]?["Finding"]?.array ?? [] {
            count += 1
            guard !isJSON else {
                findings.append(
                    .object([
                        target.isDisk ? "DiskId" : "SnapshotId": .string(target.id),
                        "Finding": finding,
                    ]))
                continue
            }
            Terminal.complain("\r\u{1B}[K")
            print(Table.printable(Self.text(finding, of: target)))
        }
    }

    private static func text(_ finding: JSON, of target: ScrubTarget) -> String {
        let noun = target.isDisk ? "disk" : "snapshot"
        let (offset, length) = (finding.count("Offset"), finding.count("Length"))
        let place =
            finding.text("Kind") == "checkpoint"
            ? "a checkpoint's record" : "bytes \(offset) to \(offset + length)"
        let others = ["SnapshotIds", "DiskIds"].flatMap { finding[$0]?.array ?? [] }
            .compactMap(\.string)
        let also = others.isEmpty ? "" : "; also of \(others.joined(separator: ", "))"
        return "\(noun) \(target.name): \(place), in \(finding.text("ChunkFile")):"
            + " \(finding.text("Cause"))\(also)"
    }

    func end() {
        guard isJSON else {
            print("Verified \(ByteSize.text(verified)).")
            guard sinceCheckpoint > 0 else { return }
            return print(
                "Not read: up to \(ByteSize.text(sinceCheckpoint)) that were written since the last"
                    + " checkpoints; each attach reads those.")
        }
        JSONOutput.show(
            .object([
                "VerifiedBytes": .integer(verified),
                "SinceCheckpointBytes": .integer(sinceCheckpoint),
                "Findings": .array(findings),
            ]))
    }

    var failure: Failure {
        Failure(
            .failed, "\(count) \(count == 1 ? "place is" : "places are") damaged.",
            advice: "Put the files that are named back from a copy of the store; what was written"
                + " since then is told by another scrub. Everything else can be read.")
    }
}
