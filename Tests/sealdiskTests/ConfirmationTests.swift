import ControlPlane
import Glibc
import Testing

@testable import sealdisk

/// Questions at a terminal, which script(1) makes: "n" changes nothing, "y" does it, and who is at
/// no terminal is not asked.
@Suite struct ConfirmationTests {
    private let folder: TemporaryFolder
    private var common: String {
        "--store \(folder.path)/store --keystore \(folder.path)/keystore.json"
    }

    init() throws {
        folder = try TemporaryFolder()
        for command in [
            "init \(folder.path)/store", "disk create data --size 1 \(common)",
            "snapshot create data --name monday \(common)",
            "policy create nightly --hours 2 \(common)",
            "policy apply nightly data \(common)",
            "kms activate --key-file \(folder.path)/key \(common)",
            "kms unlocker add --new-passphrase-command 'echo correct horse' \(common)",
        ] {
            let done = try run(command)
            try #require(done.code == 0, "\(command): \(done)")
        }
    }

    /// Runs it; with an answer at a terminal, else at none.
    private func run(_ arguments: String, answer: String? = nil) throws
        -> (code: Int32, output: String)
    {
        let tests = AbsolutePath.resolve("/proc/self/exe") ?? ""
        let build = tests.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        let program = "SEALDISK_ANCHOR=none '\(build)/sealdisk' \(arguments)"
        var command = "\(program) 2>&1 </dev/null"
        if let answer {
            let file = "\(folder.path)/command"
            let stream = try #require(fopen(file, "w"))
            fputs(program + "\n", stream)
            fclose(stream)
            command = "printf '\(answer)\\n' | script -qec 'sh \(file)' /dev/null"
        }
        let stream = try #require(popen(command, "r"))
        let output = HostText.bytes(of: fileno(stream)) ?? []
        let status = pclose(stream)
        try #require(status & 0x7f == 0)
        return (status >> 8 & 0xff, String(decoding: output, as: UTF8.self))
    }

    static let questions = [
        ("disk reset data --snapshot monday", "back to snapshot monday, taken"),
        ("policy delete nightly", "1 disks have it"),
        ("kms unlocker remove 2", "that leaves: key-file (1)"),
        ("snapshot delete monday", "Delete snapshot monday"),
    ]

    @Test(arguments: questions) func aTerminalIsAsked(command: String, question: String) throws {
        let no = try run("\(command) \(common)", answer: "n")
        #expect(no.code == 9 && no.output.contains(question), "\(no)")
        #expect(no.output.contains("Nothing was changed"), "\(no)")
        // What was not done before can be done now, once.
        let yes = try run("\(command) \(common)", answer: "y")
        #expect(yes.code == 0 && yes.output.contains("[y/N]"), "\(yes)")
    }

    @Test(arguments: questions) func nobodyElseIsAsked(command: String, question: String) throws {
        let done = try run("\(command) \(common)")
        #expect(done.code == 0 && !done.output.contains("[y/N]"), "\(done)")
    }

    @Test func yesIsAnAnswerToo() throws {
        let done = try run("disk reinit data --yes \(common)", answer: "n")
        #expect(!done.output.contains("[y/N]"), "\(done)")
        // It has a snapshot, which is what refuses it.
        #expect(done.code == 5, "\(done)")
    }
}
