import ArgumentParser
import ControlPlane
import Glibc
import Testing

@testable import sealdisk

/// Every command of disks, snapshots, instances, images, policies and keys, by the program as it is
/// run, on a store that is not mounted: its exit code, and with `--json` the reply of the API.
@Suite struct EveryCommandTests {
    /// What `--json` prints.
    enum Output {
        /// One reply of the API, or a refusal.
        case reply
        /// JSON of the command's own.
        case own
        /// The resource that is already as it was asked to be.
        case resource
        /// Lines of JSON, or nothing.
        case none
    }

    struct Step {
        let command: String
        let code: Int32
        let output: Output

        init(_ command: String, _ code: Int32 = 0, _ output: Output = .reply) {
            (self.command, self.code, self.output) = (command, code, output)
        }
    }

    /// In an order in which they work. FOLDER is a folder of the test's own.
    static let steps = [
        Step("kms quota", 0, .own),
        Step("kms activate --key-file FOLDER/key"),
        Step("kms unlocker add --new-passphrase-command 'echo correct horse'", 0, .own),
        Step("kms unlocker list", 0, .own), Step("kms unlocker remove 2", 0, .own),
        Step("kms recovery-key", 0, .own),
        Step("disk create data --size 1 --encrypted"), Step("disk create plain --size 1 --plain"),
        Step("kms show"), Step("kms usage", 0, .own), Step("kms log", 0, .none),
        Step("kms log --verify", 0, .own),
        Step("disk list"), Step("disk show data"),
        Step("disk set plain --description x --limit-speed true"),
        Step("disk rename plain second"), Step("disk rename second plain"),
        Step("disk resize data --size 2"), Step("disk resize data --size 2", 0, .resource),
        Step("disk attach data", 9, .own), Step("disk detach data", 0, .resource),
        Step("disk usage data", 6),
        Step("snapshot create data --name s"), Step("snapshot create plain --name p"),
        Step("snapshot list"), Step("snapshot show s"), Step("snapshot usage"),
        Step("snapshot attach s", 9, .own), Step("snapshot detach s", 9, .own),
        Step("snapshot usage s", 6), Step("snapshot diff s p", 6),
        Step("snapshot rename s t"), Step("snapshot rename t s"),
        Step("snapshot export s FOLDER/file", 9, .own),
        Step("snapshot import FOLDER/key", 8),
        Step("snapshot import --discard s-00000000", 3),
        Step("snapshot verify FOLDER/key", 8, .own),
        Step("disk reset data --snapshot s"), Step("disk reinit data", 5),
        Step("disk create copy --snapshot p"), Step("disk reinit copy"),
        Step("image create gold --snapshot s --snapshot p"),
        Step("image create open --snapshot p"),
        Step("image list"), Step("image share gold --add other", 9),
        Step("image share open --add other"), Step("image export gold FOLDER", 9, .own),
        Step("image copy open FOLDER", 9, .own),
        Step("image export open FOLDER", 9, .own),
        Step("instance create web --disk size=1,encrypted=true,name=w --image gold"),
        Step("instance list"), Step("instance rename web site"), Step("instance delete site"),
        Step("policy create nightly --hours 2"), Step("policy list"),
        Step("policy change nightly --keep 30"), Step("policy apply nightly data copy"),
        Step("policy cancel copy"), Step("policy delete nightly"),
        Step("image delete gold"), Step("image delete open"),
        Step("snapshot delete s"), Step("disk delete data"), Step("disk delete nothing", 3),
        Step("kms rotate", 0, .own), Step("kms rewrap"),
        Step("kms passphrase --new-passphrase-command 'echo battery staple'", 0, .own),
    ]

    private func run(_ arguments: String) throws -> (code: Int32, output: String) {
        let tests = AbsolutePath.resolve("/proc/self/exe") ?? ""
        let folder = tests.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        let command =
            "SEALDISK_ANCHOR=none '\(folder)/sealdisk' \(arguments) 2>/dev/null </dev/null"
        let stream = try #require(popen(command, "r"))
        let output = HostText.bytes(of: fileno(stream)) ?? []
        let status = pclose(stream)
        // WIFEXITED and WEXITSTATUS, which are macros.
        try #require(status & 0x7f == 0)
        return (status >> 8 & 0xff, String(decoding: output, as: UTF8.self))
    }

    @Test(arguments: [true, false]) func everyCommandWorksUnmounted(json: Bool) throws {
        let folder = try TemporaryFolder()
        let common = "--store \(folder.path)/store --keystore \(folder.path)/keystore.json"
        #expect(try run("init \(folder.path)/store").code == 0)
        for step in Self.steps {
            let command = step.command.replacing("FOLDER", with: folder.path)
            let isOfKeys =
                command.hasPrefix("kms") && command != "kms rewrap"
                || command.hasPrefix("snapshot verify")
            let options = isOfKeys ? "--keystore \(folder.path)/keystore.json" : common
            let done = try run("\(command) \(options)\(json ? " --json" : "")")
            #expect(done.code == step.code, "\(command): \(done)")
            guard json else {
                // A refusal is for the other stream.
                if done.code != 0 { #expect(done.output == "", "\(command): \(done)") }
                continue
            }
            try check(done.output, of: step, command)
        }
    }

    private func check(_ output: String, of step: Step, _ command: String) throws {
        if step.output == .none { return }
        #expect(output.hasSuffix("\n"), "\(command)")
        guard let json = try? JSON(parsing: output.utf8) else {
            Issue.record("\(command) gives no JSON: \(output)")
            return
        }
        let isRefused = json["Code"] != nil && json["Message"] != nil && json["Recommend"] != nil
        #expect(isRefused == (step.code != 0), "\(command): \(output)")
        if step.code == 0, step.output == .own {
            try CommandLinePage.read().demandMembers(of: json, printedBy: command)
        }
        switch step.output {
        case .reply: #expect(json["RequestId"]?.string != nil, "\(command): \(output)")
        case .own, .none: #expect(json["RequestId"] == nil, "\(command): \(output)")
        case .resource: #expect(json["DiskId"]?.string != nil, "\(command): \(output)")
        }
    }

    /// The names of all commands below one, as they are typed.
    private static func names(_ command: any ParsableCommand.Type, _ path: String) -> [String] {
        let below = command.configuration.subcommands
        guard !below.isEmpty else { return [path] }
        return below.flatMap { names($0, "\(path) \($0._commandName)") }
    }

    @Test func everyCommandIsThere() {
        let groups: [(any ParsableCommand.Type, String)] = [
            (DiskCommand.self, "disk"), (SnapshotCommand.self, "snapshot"),
            (InstanceCommand.self, "instance"), (ImageCommand.self, "image"),
            (PolicyCommand.self, "policy"), (KMSCommand.self, "kms"),
        ]
        for name in groups.flatMap({ Self.names($0.0, $0.1) }) {
            #expect(Self.steps.contains { "\($0.command) ".hasPrefix("\(name) ") }, "\(name)")
        }
    }
}
