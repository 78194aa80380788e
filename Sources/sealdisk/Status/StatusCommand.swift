import ArgumentParser
import ControlPlane
import Glibc

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract:
            "Show all of it on one screen: stores, mounts, disks, space, keys, jobs, warnings.",
        discussion: """
            Looks at every mount of this host that is yours (root: root's), and at the store that \
            --store or SEALDISK_STORE names. What is wrong stands at the end, with what to do; \
            sealdisk doctor looks closer.

            EXAMPLES:
              sealdisk status
              sealdisk status --watch --every 5
              sealdisk status --json
            """)

    @OptionGroup var place: StoreOption

    @OptionGroup var keys: KeyOptions

    @OptionGroup var watching: WatchOptions

    @Flag(help: "Print it as JSON, as CommandLine.md describes.")
    var json = false

    func run() throws {
        let path = try place.path()
        try watching.repeating {
            let report = HostReport(besides: path, keys: try keys.keySource())
            if json {
                JSONOutput.show(report.json)
            } else {
                print(report.text(isColoured: Colour.isShown(on: STDOUT_FILENO)), terminator: "")
            }
        }
    }
}
