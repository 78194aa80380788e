import ArgumentParser
import ControlPlane
import Glibc

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show the requests of a disk as they are answered.",
        discussion: """
            A line each: when it came (UTC), what it was, where on the disk and how long, how long \
            it took, and what became of it. Nothing of what was read or written is told. What the \
            kernel answers from its own memory does not come here.

            Ends with Ctrl-C, after --count requests, or when the disk is detached, and says how \
            many requests it showed, and how many came too fast to be told. A disk that nobody \
            traces is not slowed down.

            EXAMPLES:
              sealdisk trace data
              sealdisk trace data --only read,write --slower-than 10ms
              sealdisk trace data --json --count 1000
            """)

    @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

    @Argument(help: "The disk. It is attached.", completion: .disks)
    var disk: String

    @Option(
        help: ArgumentHelp(
            "Show these operations alone: read, write, flush, discard, write_zeroes.",
            valueName: "name,…"), completion: .list(OperationList.known))
    var only: OperationList?

    @Option(
        help: ArgumentHelp(
            "Show what took longer: a number with ns, us, ms or s.", valueName: "time"))
    var slowerThan: Latency?

    @Option(help: ArgumentHelp("End after so many requests.", valueName: "number"))
    var count: UInt64?

    func validate() throws {
        guard count != 0 else { throw ValidationError("--count takes 1 or more.") }
    }

    func run() throws {
        let client = try Client(options)
        let mount = try client.demandMount(for: "a trace")
        let found = try DiskCommand.describe(disk, through: client)
        let name = Table.printable(found.text("Name"))
        guard found.flag("Open") else { throw TraceStream.unattached(name) }
        Interruption.watch()
        // By its id: another disk may have that name by now.
        let path = "\(mount.mountPoint)/trace/\(found.text("DiskId"))"
        var stream = try TraceStream(path, disk: name)
        var tally = Tally()
        if !options.json { print(Self.titles) }
        fflush(nil)
        while tally.end == nil, !Interruption.isRequested, tally.shown < count ?? .max {
            let lines = try stream.lines()
            for line in lines where tally.shown < count ?? .max { try show(line, &tally) }
            // Whoever reads it is not to wait for the next.
            guard fflush(nil) == 0 else { break }
            if lines.isEmpty { usleep(100_000) }
        }
        tell(tally, of: name)
    }

    private struct Tally {
        var shown: UInt64 = 0
        var lost: UInt64 = 0
        var end: String?
    }

    private func show(_ line: String, _ tally: inout Tally) throws(Failure) {
        switch TraceLine(line) {
        case .request(let request):
            guard only?.names.contains(request.operation) ?? true,
                request.nanoseconds > slowerThan?.nanoseconds ?? 0 || slowerThan == nil
            else { return }
            tally.shown += 1
            print(options.json ? request.text : Self.row(request))
        case .lost(let count):
            tally.lost += count
            if options.json { print(line) }
        case .end(let reason):
            tally.end = reason
            if options.json { print(line) }
        case nil:
            throw Failure(
                .failed, "The mount's trace cannot be read.",
                advice: "Use the version of the program that serves the mount.")
        }
    }

    private func tell(_ tally: Tally, of disk: String) {
        let requests = tally.shown == 1 ? "1 request" : "\(tally.shown) requests"
        let lost = tally.lost == 0 ? "none was lost" : "\(tally.lost) more were lost"
        let end = tally.end.map { "The trace has ended: \(Table.printable($0)). " } ?? ""
        Terminal.complain("\(end)\(requests) of disk \(disk) shown, \(lost).\n")
    }

    private static let titles = line(
        "TIME", "OPERATION", "OFFSET", "LENGTH", "LATENCY", "RESULT")

    private static func row(_ request: TracedRequest) -> String {
        // The time of day, in microseconds.
        let time = request.time.drop { $0 != "T" }.dropFirst().prefix(15)
        let hasPlace = request.operation != "flush"
        return line(
            String(time), Table.printable(request.operation),
            hasPlace ? "\(request.offset)" : "", hasPlace ? "\(request.length)" : "",
            Latency.text(request.nanoseconds),
            request.errno == 0 ? "ok" : String(cString: strerror(request.errno)))
    }

    private static func line(
        _ time: String, _ operation: String, _ offset: String, _ length: String,
        _ latency: String, _ result: String
    ) -> String {
        func left(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        return left(time, 15) + "  " + left(operation, 12) + "  " + right(offset, 14) + "  "
            + right(length, 10) + "  " + right(latency, 9) + "  " + result
    }
}
