import ArgumentParser
import ControlPlane
import Glibc

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract:
            "Look for what is wrong with this host, its stores, mounts and keys, and mend it.",
        discussion: """
            Looks at /dev/fuse, loop devices, limits of memory and descriptors, the clock, tools, \
            every mount of yours and the store that --store names, what opens the keys, and what \
            dead processes left. Nothing is changed but with --mend, which takes away dead mounts, \
            loop devices that stand on nothing, and files of dead processes.

            It ends with 0 if nothing has failed (warnings do not count), else with 8.

            EXAMPLES:
              sealdisk doctor
              sealdisk doctor --mend
              sealdisk doctor --store /srv/store --json
            """)

    @OptionGroup var place: StoreOption

    @OptionGroup var keys: KeyOptions

    @Flag(help: "Mend what can be mended without harm.")
    var mend = false

    @Flag(help: "Print what was found as JSON, as CommandLine.md describes.")
    var json = false

    func run() throws {
        let path = try place.path()
        let checks = StoreChecks(keys: try keys.keySource(), mends: mend)
        let findings = HostChecks.all() + checks.all(besides: path)
        if json {
            JSONOutput.show(.object(["Findings": .array(findings.map(\.json))]))
        } else {
            let isColoured = Colour.isShown(on: STDOUT_FILENO)
            for finding in findings { print(Self.line(finding, isColoured)) }
        }
        let failed = findings.filter { $0.state == .failed }
        guard failed.isEmpty else {
            throw Failure(
                .failed, "\(failed.count) of \(findings.count) checks failed.",
                advice: mend ? "See above what to do." : "See above; --mend does what it can.")
        }
    }

    private static func line(_ finding: Finding, _ isColoured: Bool) -> String {
        let (mark, colour): (String, Colour) =
            switch finding.state {
            case .ok: ("ok", .green)
            case .mended: ("mended", .green)
            case .warning: ("warning", .yellow)
            case .failed: ("FAILED", .red)
            }
        let space = String(repeating: " ", count: max(0, 7 - mark.count))
        let remedy =
            finding.remedy.isEmpty
            ? "" : "\n         " + Table.printable(finding.remedy)
        return colour.paint(mark, if: isColoured) + space
            + "  \(Table.printable(finding.what)): \(Table.printable(finding.text))\(remedy)"
    }
}
