import ArgumentParser
import ControlPlane
import Testing

@testable import sealdisk

/// What holds of every command there is.
@Suite struct CommandTreeTests {
    private typealias Command = any ParsableCommand.Type

    /// All that are shown, by the words that are typed; groups if they are asked for.
    private static func commands(groups: Bool) -> [(path: String, type: Command)] {
        func below(_ command: Command, _ path: String) -> [(path: String, type: Command)] {
            guard command.configuration.shouldDisplay else { return [] }
            let children = command.configuration.subcommands
            let own = groups == !children.isEmpty ? [(path, command)] : []
            return own + children.flatMap { below($0, "\(path) \($0._commandName)") }
        }
        return below(SealDisk.self, "sealdisk")
    }

    /// Mounting and unmounting print nothing on standard output: what they have to say is their
    /// exit code, and to people. mount(8) and service managers call them.
    private static let silent: Set = ["sealdisk mount", "sealdisk unmount"]

    @Test func everyCommandThatPrintsSpeaksJSON() {
        for (path, type) in Self.commands(groups: false) where !Self.silent.contains(path) {
            #expect(SealDisk.options(of: type).contains("--json"), "\(path)")
        }
    }

    @Test func everyHelpHasExamplesThatAreUnderstood() throws {
        var count = 0
        for (path, type) in Self.commands(groups: false) + Self.commands(groups: true) {
            let text = type.configuration.discussion
            #expect(text.contains("EXAMPLE") || text.contains("FIRST STEPS"), "\(path)")
            let examples = Self.examples(in: text)
            #expect(!examples.isEmpty, "\(path)")
            // One of them is of the command itself.
            #expect(
                examples.contains { "sealdisk \($0.joined(separator: " "))".hasPrefix(path) },
                "\(path)")
            for example in examples {
                count += 1
                do {
                    _ = try SealDisk.parseAsRoot(example)
                } catch {
                    Issue.record("\(path): \(example): \(SealDisk.message(for: error))")
                }
            }
        }
        #expect(count > 60)
    }

    /// The words of each line of an example, as a shell would hand them over.
    static func examples(in text: String) -> [[String]] {
        text.split(separator: "\n").filter { $0.hasPrefix("  ") }.flatMap { line in
            pieces(of: line).compactMap { words in
                words.firstIndex(of: "sealdisk").map { Array(words[($0 + 1)...]) }
            }
        }
    }

    /// The commands of a line, each in words; quotes are taken off.
    private static func pieces(of line: Substring) -> [[String]] {
        var pieces: [[String]] = [[]]
        var word: String?
        var quote: Character?
        func close() {
            guard let ended = word else { return }
            word = nil
            if ["|", "&&"].contains(ended) {
                pieces.append([])
            } else {
                pieces[pieces.count - 1].append(ended)
            }
        }
        for character in line {
            if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + "\(character)" }
            } else if character == "'" || character == "\"" {
                (quote, word) = (character, word ?? "")
            } else if character == " " {
                close()
            } else {
                word = (word ?? "") + "\(character)"
            }
        }
        close()
        return pieces
    }

    @Test func aMisspeltOptionIsToldBeforeTheOneThatIsMissing() {
        let cases: [([String], String, String?)] = [
            (["disk", "resize", "x", "--siz", "20"], "--siz", "--size"),
            (["disk", "create", "x", "--szie=20"], "--szie", "--size"),
            (["snapshot", "import", "--dicsard", "s"], "--dicsard", "--discard"),
            (["disk", "reset", "x", "--snap"], "--snap", nil),
        ]
        for (arguments, given, meant) in cases {
            let found = SealDisk.unknownOption(arguments)
            #expect(found?.given == given && found?.meant == meant, "\(arguments): \(found as Any)")
        }
        #expect(SealDisk.unknownOption(["disk", "show", "x", "--json"]) == nil)
        #expect(SealDisk.unknownOption(["api", "--", "--nothing"]) == nil)
        #expect(SealDisk.unknownOption(["disk", "--nothing"]) == nil)
    }

    @Test func everyColumnIsDocumented() throws {
        let page = try CommandLinePage.read()
        let text = try #require(page.text(below: "Lists"))
        let lists: [(String, ResourceList)] = [
            ("disk list", .disks), ("snapshot list", .snapshots),
            ("instance list", .instances([:])),
            ("image list", .images), ("policy list", .policies), ("jobs", .jobs),
        ]
        for (command, list) in lists {
            let row = text.split(separator: "\n").first { $0.hasPrefix("| `\(command)` |") }
            let cells = try #require(row, "\(command)").split(separator: "|")
            let columns = cells[1].split(separator: "`").map(String.init)
                .filter { $0.contains(where: \.isLetter) }
            #expect(columns == list.columns.map(\.name), "\(command)")
            let usual = cells[2].split(separator: "`").map(String.init)
                .filter { $0.contains(where: \.isLetter) }
            #expect(usual == list.usualNames, "\(command)")
        }
    }

    @Test func theCodesOfCommandsAreDocumented() throws {
        let text = try #require(try CommandLinePage.read().text(below: "Exit codes and refusals"))
        for (code, name) in ExitCodes.names {
            #expect(text.contains("| \(code) | `\(name)` |"), "\(name)")
        }
        for variable in [
            "SEALDISK_STORE", "SEALDISK_MOUNT", "SEALDISK_KEYSTORE", "SEALDISK_KMS",
            "SEALDISK_ANCHOR", "SEALDISK_JOURNAL", "NO_COLOR", "TERM",
        ] {
            let environment = try CommandLinePage.read().text(below: "Environment") ?? ""
            #expect(environment.contains("| `\(variable)` |"), "\(variable)")
        }
    }

    @Test func progressIsDocumented() throws {
        let text = try #require(try CommandLinePage.read().text(below: "Progress"))
        for form in ProgressForm.allCases {
            #expect(text.contains("| `\(form.rawValue)` |"), "\(form)")
        }
        let line = ProgressLine(what: "x", done: 1, all: 2, rate: 1)
        for name in CommandLinePage.members(of: line.json) {
            #expect(text.contains("`\(name)`"), "\(name)")
        }
    }
}
