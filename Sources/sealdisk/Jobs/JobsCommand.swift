import ArgumentParser
import ControlPlane
import Glibc

struct JobsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract:
            "Show what takes long and is under way: exports, imports, copies, checks, scrubs.",
        discussion: """
            From any terminal of this host, of the same user (root: of root).

            EXAMPLES:
              sealdisk jobs
              sealdisk jobs --watch
              sealdisk jobs --json
            """)

    @OptionGroup(title: "LIST OPTIONS") var list: ListOptions

    @Flag(help: "Print the jobs as JSON.")
    var json = false

    func run() throws {
        try list.check(.jobs)
        try list.watching.repeating {
            let jobs = Job.all()
            guard !json else { return JSONOutput.show(.object(["Jobs": .array(jobs)])) }
            guard !jobs.isEmpty else { return Terminal.complain("No jobs are under way.\n") }
            try list.show(jobs, of: .jobs, usual: ResourceList.jobs.table)
        }
    }
}

extension ResourceList {
    static let jobs = ResourceList(
        columns: [
            .text("job", mayShrink: true, of: "Job"), .size("done", of: "DoneBytes"),
            ListColumn(
                name: "of", column: .right("OF"),
                text: { $0.count("TotalBytes") > 0 ? $0.size("TotalBytes") : "?" },
                key: { .number($0.count("TotalBytes")) }),
            ListColumn(
                name: "percent", column: .right("PERCENT"),
                text: { line(of: $0).percent.map { "\($0) %" } ?? "?" },
                key: { .number(line(of: $0).percent ?? 0) }),
            ListColumn(
                name: "rate", column: .right("RATE"),
                text: { $0["BytesPerSecond"] == nil ? "?" : $0.size("BytesPerSecond") + "/s" },
                key: { .number($0.count("BytesPerSecond")) }),
            ListColumn(
                name: "left", column: .right("LEFT"),
                text: { line(of: $0).left.map(ProgressLine.duration) ?? "?" },
                key: { .number(line(of: $0).left ?? .max) }),
            ListColumn(
                name: "since", column: .right("SINCE"),
                text: { ProgressLine.duration(UInt64(time(nil)) &- $0.count("Started")) },
                key: { .number($0.count("Started")) }),
            .count("process", of: "Process"),
        ],
        usualNames: ["job", "done", "of", "percent", "rate", "left", "since", "process"])

    private static func line(of job: JSON) -> ProgressLine {
        ProgressLine(
            what: job.text("Job"), done: job.count("DoneBytes"), all: job.count("TotalBytes"),
            rate: job["BytesPerSecond"].map { _ in Double(job.count("BytesPerSecond")) })
    }
}
