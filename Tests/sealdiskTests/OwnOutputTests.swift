import ControlPlane
import Glibc
import Testing

@testable import sealdisk

/// `--json` of the program as it is run: one value on standard output, also of what is refused.
@Suite struct OwnOutputTests {
    private func run(_ arguments: String, environment: String = "") throws
        -> (code: Int32, json: JSON?, errors: String)
    {
        let folder = try TemporaryFolder()
        let tests = AbsolutePath.resolve("/proc/self/exe") ?? ""
        let build = tests.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        let command =
            "SEALDISK_ANCHOR=none \(environment) '\(build)/sealdisk' \(arguments)"
            + " 2>\(folder.path)/errors </dev/null"
        let stream = try #require(popen(command, "r"))
        let output = HostText.bytes(of: fileno(stream)) ?? []
        let status = pclose(stream)
        try #require(status & 0x7f == 0)
        return (
            status >> 8 & 0xff, try? JSON(parsing: output),
            HostText.read("\(folder.path)/errors") ?? ""
        )
    }

    static let refusals: [(String, Int32, String)] = [
        ("disk list --store /nonexistent --json", 3, "Command.NotFound"),
        ("init /dev/null --json", 2, "Command.Invalid"),
        ("disk resize x --siz 20 --json", 64, "Command.NotUnderstood"),
        ("disk burn --json", 64, "Command.NotUnderstood"),
        ("kms log --verify -n 3 --json", 64, "Command.NotUnderstood"),
        ("snapshot verify /nonexistent --json", 3, "Command.NotFound"),
        ("check /nonexistent --json", 3, "Command.NotFound"),
    ]

    @Test(arguments: refusals) func whatACommandRefusesIsJSONToo(
        arguments: String, code: Int32, name: String
    ) throws {
        let done = try run(arguments)
        #expect(done.code == code && done.json?["Code"]?.string == name, "\(done)")
        let message = try #require(done.json?["Message"]?.string)
        #expect(done.errors.contains(message) && done.errors.hasPrefix("sealdisk: "), "\(done)")
        #expect(done.json?["Recommend"]?.string?.isEmpty == false, "\(done)")
        // Who did not ask for JSON gets none.
        let plain = try run(arguments.replacing(" --json", with: ""))
        #expect(plain.code == code && plain.json == nil, "\(plain)")
    }

    @Test func misspeltRequiredOptionsAreToldAsMisspelt() throws {
        let resize = try run("disk resize x --siz 20")
        #expect(resize.code == 64)
        #expect(
            resize.errors.hasPrefix("sealdisk: Unknown option '--siz'. Did you mean '--size'?\n"),
            "\(resize.errors)")
        #expect(try run("disk resize x").errors.contains("Missing expected argument"))
    }

    @Test func whatThisHostSaysOfItselfIsDocumented() throws {
        let folder = try TemporaryFolder()
        let page = try CommandLinePage.read()
        let store = "\(folder.path)/store"
        let keys = "--keystore \(folder.path)/keystore.json"
        for command in [
            "init \(store)", "status --store \(store) \(keys)", "doctor --store \(store) \(keys)",
            "jobs", "check \(store) \(keys)",
        ] {
            let done = try run("\(command) --json")
            // The doctor has its own opinion of the host that this runs on.
            #expect(done.code == 0 || command.hasPrefix("doctor"), "\(done)")
            try page.demandMembers(of: try #require(done.json, "\(command)"), printedBy: command)
        }
        #expect(try run("disk create d --size 1 --store \(store)").code == 0)
        #expect(system("find \(store)/lineages -name 'd-*.manifest' -exec truncate -s 1 {} +") == 0)
        let damaged = try run("check \(store) \(keys) --json")
        #expect(damaged.code == 8 && damaged.json?["Findings"]?.array?.isEmpty == false)
        try page.demandMembers(of: try #require(damaged.json), printedBy: "check")
        for job in [
            ProgressLine(what: "x", done: 1, all: 2, rate: 1).json
        ] {
            try page.demandMembers(of: job, printedBy: "jobs")
        }
    }

    @Test func theEnvironmentNamesTheMount() throws {
        let folder = try TemporaryFolder()
        let store = "\(folder.path)/store"
        #expect(try run("init \(store)").code == 0)
        let mount = "SEALDISK_MOUNT=\(folder.path)"
        let alone = try run("disk list", environment: mount)
        #expect(alone.code == 3 && alone.errors.contains("SEALDISK_MOUNT is \(folder.path)"))
        // A store on the command line outweighs it, and one of the environment is used as long as
        // nothing is mounted there.
        #expect(try run("disk list --store \(store)", environment: mount).code == 0)
        #expect(try run("disk list", environment: "\(mount) SEALDISK_STORE=\(store)").code == 0)
        let given = try run("disk list --mount /nonexistent", environment: mount)
        #expect(given.code == 3 && !given.errors.contains("SEALDISK_MOUNT"), "\(given)")
    }
}
