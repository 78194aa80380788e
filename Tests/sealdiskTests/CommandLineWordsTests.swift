import Testing

@testable import ControlPlane
@testable import sealdisk

/// What the control plane says in the words of the API, the command line says in its own.
@Suite struct CommandLineWordsTests {
    static let requests = [
        ("DetachDisk DiskId=data", "sealdisk disk detach data"),
        ("AttachDisk", "sealdisk disk attach DISK"),
        ("DescribeDisks", "sealdisk disk list"),
        ("DescribeDisks DiskId=data", "sealdisk disk show data"),
        ("DescribeSnapshots DiskId=data", "sealdisk snapshot list --disk data"),
        ("DeleteSnapshot SnapshotId=s", "sealdisk snapshot delete s"),
        ("CreateDisk SnapshotId=monday", "sealdisk disk create NAME --snapshot monday"),
        ("CreateDisk Encrypted=true", "sealdisk disk create NAME --encrypted"),
        ("ResetDisk DiskId=data", "sealdisk disk reset data --snapshot SNAPSHOT"),
        ("OpenKmsService", "sealdisk kms activate"),
        ("ModifyDiskAttribute DiskId=d-1 DiskName=…", "sealdisk disk rename d-1 NEW-NAME"),
        (
            "ModifySnapshotAttribute SnapshotId=s SnapshotName=…",
            "sealdisk snapshot rename s NEW-NAME"
        ),
    ]

    @Test(arguments: requests) func requestsBecomeCommands(request: String, command: String) {
        #expect(CommandLineWords.text("Do it: `\(request)`.", of: nil) == "Do it: \(command).")
    }

    static let options = [
        ("Size=20", "CreateDisk", "--size 20"), ("NewSize=64MiB", "ResizeDisk", "--size 64MiB"),
        ("Size", "CreateDisk", "--size"), ("Encrypted=true", "CreateDisk", "--encrypted"),
        ("Encrypted=false", "CreateDisk", "--plain"),
        ("Encrypted=true", "AttachDisk", "--require-encrypted"),
        ("SnapshotId=…", "CreateDisk", "--snapshot …"),
    ]

    @Test(arguments: options) func parametersBecomeOptions(
        parameter: String, action: String, option: String
    ) {
        #expect(CommandLineWords.text("Add `\(parameter)`.", of: action) == "Add \(option).")
    }

    /// Every action has a command, and the line that is told is one that is understood.
    @Test(arguments: Action.all.map(\.name)) func everyActionHasACommand(action: String) throws {
        let text = CommandLineWords.text("`\(action)`", of: nil)
        let words = text.split(separator: " ").map(String.init)
        #expect(words.first == "sealdisk")
        // A placeholder of a name is a name; one of two flags stands for none.
        _ = try SealDisk.parseAsRoot(Array(words.dropFirst()))
    }

    @Test(arguments: ErrorCode.allCases) func everyUsualRemedyIsSaid(code: ErrorCode) {
        let text = CommandLineWords.text(code.usualRemedy, of: nil)
        #expect(!text.contains("`"))
        for action in Action.all { #expect(!text.contains(action.name)) }
    }

    /// What somebody called something is not taken for a request.
    @Test(arguments: ["'a`b' is no name.", "`nothing` of ours", "`Nothing=1 Size=2`", "``"])
    func otherTextStays(text: String) {
        #expect(CommandLineWords.text(text, of: nil) == text)
    }

    @Test func failuresSpeakTheCommandLinesLanguage() {
        let refusal = Refusal(
            .diskStatus, "It is attached.", recommend: "Detach it: `DetachDisk DiskId=d`.")
        #expect(Failure(refusal).advice == "Detach it: sealdisk disk detach d.")
        #expect(Failure(verbatim: refusal).advice == refusal.recommend)
    }
}
