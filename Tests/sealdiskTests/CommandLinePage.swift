import ControlPlane
import Testing

@testable import sealdisk

/// The document of the command line, by its headings.
struct CommandLinePage {
    /// The text below each heading, by the heading.
    let sections: [(heading: String, text: String)]

    static func read() throws -> CommandLinePage {
        let folder = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        let path = folder + "/Sources/sealdisk/Documentation.docc/CommandLine.md"
        let text = try #require(HostText.read(path))
        var sections: [(heading: String, text: String)] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("#") {
                sections.append((String(line.drop { $0 == "#" || $0 == " " }), ""))
            } else if !sections.isEmpty {
                sections[sections.count - 1].text += line + "\n"
            }
        }
        return CommandLinePage(sections: sections)
    }

    func text(below heading: String) -> String? {
        sections.first { $0.heading == heading }?.text
    }

    /// Every member of a command's own output has to stand in the section that names the command,
    /// `kms quota`, between backticks.
    func demandMembers(of json: JSON, printedBy command: String) throws {
        let section = sections.first { section in
            section.heading.split(separator: "`").contains { name in
                !name.isEmpty && (command == name || command.hasPrefix("\(name) "))
            }
        }
        let text = try #require(section?.text, "no section is about the output of \(command)")
        for name in Self.members(of: json) {
            #expect(text.contains("`\(name)`"), "\(command) prints \(name), undocumented")
        }
    }

    /// All names, of members within members, too; of those that are named after something else
    /// (`Uses`, by action) the one above stands for all. What the API describes is its document's.
    static func members(of json: JSON) -> Set<String> {
        var names: Set<String> = []
        for value in json.array ?? [] { names.formUnion(members(of: value)) }
        for member in json.members {
            names.insert(member.name)
            if !["Uses", "Disks", "Finding"].contains(member.name) {
                names.formUnion(members(of: member.value))
            }
        }
        return names
    }
}
