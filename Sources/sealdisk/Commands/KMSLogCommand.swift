import ArgumentParser
import ControlPlane
import KeyManagement

extension KMSCommand {
    struct Log: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the log of every use of the key, or verify that it is whole.",
            discussion: """
                Each line of the log holds the hash of the line before it. --verify follows them \
                and names the line that was removed, changed or inserted; it ends with 0 if there \
                is none, and with 8 if there is. Lines that an older version wrote are told as \
                not chained. Whoever may write to the log's folder can make it anew as a whole: \
                keep the hash that --verify prints, or the lines themselves, on another host.

                Without FILE it is the log beside the keystore, with key-use.log.1 and so on in \
                front, if rotation left some.

                EXAMPLES:
                  sealdisk kms log --action AttachDisk --since 2026-11-01
                  sealdisk kms log --verify
                """)

        @Flag(help: "Verify the chain of hashes instead.")
        var verify = false

        @Option(
            help: ArgumentHelp(
                "Only from this day or moment (UTC) on: 2026-11-29, 2026-11-29T08:00:00Z.",
                valueName: "time"))
        var since: String?

        @Option(help: ArgumentHelp("Only uses for this action.", valueName: "action"))
        var action: String?

        @Option(name: .short, help: ArgumentHelp("Only the last N of them.", valueName: "N"))
        var number: Int?

        @Argument(
            help: ArgumentHelp("Files of the log, the oldest first.", valueName: "file"),
            completion: .file())
        var files: [String] = []

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions
        @OptionGroup var home: HomeOptions

        func validate() throws {
            if verify, since != nil || action != nil || number != nil {
                throw ValidationError("--verify looks at all of the log; leave the choice out.")
            }
            if let number, number < 1 { throw ValidationError("-n is a number from 1 on.") }
            if since != nil, moment == nil {
                throw ValidationError("--since reads like 2026-11-29 or 2026-11-29T08:00:00Z.")
            }
        }

        private var moment: Timestamp? {
            since.flatMap { Timestamp($0) ?? Timestamp($0 + "T00:00:00Z") }
        }

        func run() throws {
            let keys = try home.service(options).metered
            if verify { return try verify(keys) }
            let uses = try chosen(keys)
            if options.json {
                for use in uses { JSONOutput.show(use) }
            } else {
                Terminal.show(LogText.table(uses))
            }
        }

        private func chosen(_ keys: MeteredKeys) throws(Failure) -> [JSON] {
            var chosen: [JSON] = []
            var unreadable = 0
            do throws(KeyError) {
                try keys.readLog(files) { line in
                    guard let use = try? JSON(parsing: line) else {
                        unreadable += 1
                        return
                    }
                    if let action, use.text("action") != action { return }
                    if let moment, (Timestamp(use.text("time")) ?? moment) < moment { return }
                    chosen.append(use)
                    // So that a long log is not held for its last lines.
                    if let number, chosen.count >= 2 * number + 1000 {
                        chosen.removeFirst(chosen.count - number)
                    }
                }
            } catch {
                throw Failure(Refusal(ofStore: error))
            }
            if unreadable > 0 {
                Terminal.complain(
                    "sealdisk: \(unreadable) lines cannot be read: sealdisk kms log --verify\n")
            }
            return Array(chosen.suffix(number ?? chosen.count))
        }

        private func verify(_ keys: MeteredKeys) throws(Failure) {
            let report: KeyUseLogReport
            do throws(KeyError) {
                report = try keys.verifyLog(files)
            } catch {
                throw Failure(Refusal(ofStore: error))
            }
            if options.json {
                JSONOutput.show(LogText.json(report))
            } else {
                print(LogText.text(report))
            }
            guard report.damageCount > 0 else { return }
            throw Failure(
                .failed, "The key-use log is damaged: \(report.damageCount) findings.",
                advice: "Compare it with a copy, and see who may write to \(keys.logPath). Keep it:"
                    + " what comes next follows what is there.")
        }
    }
}

/// The key-use log, and what its verification found, in words.
enum LogText {
    static func table(_ uses: [JSON]) -> Table {
        Table(
            [
                .left("TIME"), .left("ACTION"), .left("RESOURCE", mayShrink: true),
                .left("OPERATION"), .left("RESULT"), .left("KEY", mayShrink: true),
            ],
            rows: uses.map { use in
                ["time", "action", "resource", "operation", "result", "keyID"].map {
                    use.text($0).isEmpty ? "-" : use.text($0)
                }
            })
    }

    static func text(_ report: KeyUseLogReport) -> String {
        var lines = report.damages.map { damage in
            let place = damage.line.map { "line \($0)" } ?? "at the end"
            return "\(Table.printable(damage.file)), \(place): \(damage.text)."
        }
        if report.damageCount > report.damages.count {
            lines.append("… and \(report.damageCount - report.damages.count) more.")
        }
        lines += report.notes.map { "Note: \(Table.printable($0))." }
        if report.unchained > 0 {
            lines.append(
                "\(report.unchained) lines are not chained: an older version wrote them.")
        }
        if let first = report.first, let last = report.last, let head = report.head {
            lines.append("Chained: \(first) to \(last). Hash of the last: \(head).")
        }
        lines.append("\(report.lines) lines, \(report.damageCount) findings.")
        return lines.joined(separator: "\n")
    }

    static func json(_ report: KeyUseLogReport) -> JSON {
        var object: JSONObject = [
            "Lines": .integer(report.lines),
            "NotChained": .integer(report.unchained),
        ]
        object.append("First", report.first.map { .integer($0) })
        object.append("Last", report.last.map { .integer($0) })
        object.append("Head", report.head.map { .string($0) })
        object.append("FindingCount", .integer(report.damageCount))
        object.append(
            "Findings",
            .array(
                report.damages.map { damage in
                    var entry: JSONObject = ["File": .string(damage.file)]
                    entry.append("Line", damage.line.map { .integer($0) })
                    entry.append("Text", .string(damage.text))
                    return .object(entry)
                }))
        object.append("Notes", .array(report.notes.map { .string($0) }))
        return .object(object)
    }
}
