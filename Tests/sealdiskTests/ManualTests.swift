import ArgumentParser
import Foundation
import Testing

@testable import sealdisk

/// The manual pages.
@Suite struct ManualTests {
    private static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The names of a command and of all that are shown below it, as pages are called.
    private func names(_ command: any ParsableCommand.Type, below path: String = "") -> [String] {
        guard command.configuration.shouldDisplay else { return [] }
        let path = path + command._commandName
        return [path]
            + command.configuration.subcommands.flatMap { names($0, below: path + "-") }
    }

    @Test func everyCommandHasAPageAndNoOther() throws {
        let pages = try Manual.pages()
        let expected = names(SealDisk.self).map { $0 + ".1" } + ["mount.sealdisk.8"]
        #expect(pages.map(\.file).sorted() == expected.sorted())
        #expect(pages.contains { $0.file == "sealdisk-kms-unlocker-add.1" })
    }

    /// Each option that `--help` tells is in the page, with each section that pages have.
    @Test func pagesSayWhatTheHelpSays() throws {
        let pages = try Manual.pages()
        func check(_ command: any ParsableCommand.Type, _ path: String) throws {
            guard command.configuration.shouldDisplay else { return }
            let path = path + command._commandName
            let page = try #require(pages.first { $0.name == path })
            let help = SealDisk.helpMessage(for: command)
            for option in Set(help.matches(of: #/--[a-z][a-z-]+/#).map { String($0.output) }) {
                // What a text only speaks of may be another command's.
                guard help.contains(try Regex("(?m)^ +(-\\w, )?\(option)\\b")) else { continue }
                #expect(page.text.contains(Roff.bold(option)), "\(option) in \(path)")
            }
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT"] {
                #expect(page.text.contains(".SH \"\(section)\"\n"), "\(section) in \(path)")
            }
            #expect(page.text.contains("EXAMPLE") == help.contains("EXAMPLE"), "\(path)")
            for below in command.configuration.subcommands { try check(below, path + "-") }
        }
        try check(SealDisk.self, "")
        let helper = try #require(pages.first { $0.section == 8 }).text
        #expect(helper.contains(Roff.bold("attach=NAME[:NAME…]")))
        #expect(!helper.contains("goes to the background"))
    }

    /// groff finds nothing to say of any page, and shows what was written.
    @Test func pagesAreShownWithoutWarnings() throws {
        let folder = try TemporaryFolder()
        try ManualCommand.parse([folder.path + "/man"]).run()
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/man")
        #expect(files.count == (try Manual.pages().count))
        func groff(_ file: String, _ streams: String) throws -> String {
            let command = "groff -man -ww -Tutf8 -rLL=100n -P-cbou '\(folder.path)/man/\(file)'"
            let stream = try #require(popen("\(command) \(streams)", "r"))
            let output = String(decoding: HostText.bytes(of: fileno(stream)) ?? [], as: UTF8.self)
            #expect(pclose(stream) == 0, "\(file)")
            return output
        }
        for file in files {
            #expect(try groff(file, "2>&1 >/dev/null") == "", "\(file)")
        }
        let page = try groff("sealdisk-snapshot-export.1", "2>&1")
        #expect(page.contains("sealdisk snapshot export monday - | ssh host 'cat > monday.sealed'"))
    }

    @Test func textIsShownAsItIs() {
        #expect(Roff.literal(".fi") == "\\&.fi")
        #expect(Roff.literal("'x' \\n") == "\\(aqx\\(aq \\en")
        #expect(Roff.literal("a-b \"c\" ~ ^ `") == "a\\-b \\(dqc\\(dq \\(ti \\(ha \\(ga")
        #expect(Roff.literal("NAME…") == "NAME\\[u2026]")
        #expect(Roff.line("see `disk list`.") == "see \\fBdisk list\\fR.")
        #expect(Roff.line("one ` alone") == "one \\(ga alone")
    }

    @Test func helpFallsIntoItsParts() {
        let help = HelpText(
            "One\nline.\n\nTHESE:\n  a  first\n  b  second\n\nEXAMPLES:\n  do it\n\nMore.\n\n"
                + "EXIT CODES:\n  0   done")
        #expect(
            help.description == [
                .text("One line."), .text("THESE:"), .literal(["a  first", "b  second"]),
                .text("More."),
            ])
        #expect(help.examples == ["do it"] && help.exitCodes == ["0   done"])
    }

    /// Each variable that the program looks at is in the pages.
    @Test func everyVariableIsTold() throws {
        let sources = Self.root.appendingPathComponent("Sources")
        let files = try #require(
            FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var used: Set<String> = []
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: #/(?:environmentVariable|getenv)\("([A-Z_]+)"\)/#) {
                used.insert(String(match.1))
            }
        }
        #expect(used.isSuperset(of: ["SEALDISK_STORE", "SEALDISK_KMS", "NO_COLOR"]))
        let told = Manual.environment.map { "\($0.name) \($0.text)" }.joined(separator: " ")
        // These are the service manager's and the shell's, and mean here what they mean everywhere.
        let usual: Set = [
            "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "HOME",
        ]
        for name in used.subtracting(usual).subtracting(["PATH"]) {
            #expect(told.contains(name), "\(name)")
        }
    }
}
