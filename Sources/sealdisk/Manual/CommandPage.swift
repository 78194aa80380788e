import ArgumentParser
import ControlPlane

/// The page of one command.
struct CommandPage {
    private let command: any ParsableCommand.Type
    /// The command and those below it, as the parser tells them.
    private let info: JSON
    /// The words by which it is called.
    let path: [String]
    let help: HelpText
    private let below: [CommandPage]

    /// The pages of a command and of all below it.
    static func all(
        _ command: any ParsableCommand.Type, _ info: JSON, below path: [String]
    ) -> [CommandPage] {
        let page = CommandPage(command, info, below: path)
        return [page] + page.below.flatMap { all($0.command, $0.info, below: page.path) }
    }

    private init(_ command: any ParsableCommand.Type, _ info: JSON, below path: [String]) {
        self.command = command
        self.info = info
        let path = path + [info.text("commandName")]
        self.path = path
        help = HelpText(info.text("discussion"))
        let infos = info["subcommands"]?.array ?? []
        below = command.configuration.subcommands.compactMap { command in
            guard command.configuration.shouldDisplay,
                let info = infos.first(where: { $0.text("commandName") == command._commandName })
            else { return nil }
            return CommandPage(command, info, below: path)
        }
    }

    private var name: String { path.joined(separator: "-") }

    var page: ManualPage {
        var page = ManualPage(name, section: 1, abstract: info.text("abstract"))
        page.begin("SYNOPSIS")
        page.synopsis(path.joined(separator: " "), usage)
        page.begin("DESCRIPTION")
        page.paragraph(info.text("abstract"))
        page.blocks(help.description)
        if !below.isEmpty {
            page.begin("COMMANDS")
            for one in below {
                page.entry(
                    Roff.bold(one.path.joined(separator: " ")), [one.info.text("abstract")])
            }
        }
        addArguments(to: &page)
        if !help.examples.isEmpty {
            page.begin("EXAMPLES")
            page.literal(help.examples)
        }
        page.begin("EXIT STATUS")
        page.table(Self.exitCodes)
        page.begin("ENVIRONMENT")
        for (name, text) in Manual.environment { page.entry(Roff.bold(name), [text]) }
        page.begin("FILES")
        for (name, text) in Manual.files { page.entry(Roff.italic(name), [text]) }
        page.references(references)
        return page
    }

    private static let exitCodes = HelpText(ExitCodes.text).exitCodes

    /// What stands behind its words in a call.
    private var usage: String {
        let usage = SealDisk.usageString(for: command)
        let start = usage.firstRange(of: path.joined(separator: " "))?.upperBound
        return String(usage[(start ?? usage.startIndex)...].drop { $0 == " " })
    }

    /// Its arguments, its options, and those with a title of their own.
    private func addArguments(to page: inout ManualPage) {
        let all = (info["arguments"]?.array ?? []).filter { $0.flag("shouldDisplay") }
        var titles: [String] = []
        var entries: [String: [JSON]] = [:]
        for argument in all {
            let usual = argument.text("kind") == "positional" ? "ARGUMENTS" : "OPTIONS"
            let title = argument["sectionTitle"]?.string?.uppercased() ?? usual
            if entries[title] == nil { titles.append(title) }
            entries[title, default: []].append(argument)
        }
        let first = ["ARGUMENTS", "OPTIONS"].filter { entries[$0] != nil }
        for title in first + titles.filter({ !first.contains($0) }) {
            page.begin(title)
            for argument in entries[title] ?? [] {
                page.entry(
                    Self.tag(argument),
                    [argument["abstract"]?.string ?? "", argument["discussion"]?.string ?? ""]
                        + Self.usualValue(argument))
            }
        }
    }

    private static func tag(_ argument: JSON) -> String {
        let value = Roff.italic(argument["valueName"]?.string ?? "")
        guard argument.text("kind") != "positional" else { return value }
        let names = (argument["names"]?.array ?? []).map { name in
            Roff.bold((name.text("kind") == "long" ? "--" : "-") + name.text("name"))
        }
        let tag = names.joined(separator: ", ")
        return argument.text("kind") == "option" ? "\(tag) \(value)" : tag
    }

    private static func usualValue(_ argument: JSON) -> [String] {
        guard argument.text("kind") == "option", let value = argument["defaultValue"]?.string else {
            return []
        }
        return ["Usually \(value)."]
    }

    /// What it stands below, what stands below it, and the beginning of all.
    private var references: [(name: String, section: Int)] {
        var pages: [(String, Int)] = []
        if path.count > 2 { pages.append((path.dropLast().joined(separator: "-"), 1)) }
        if path.count > 1 { pages.append((path[0], 1)) }
        pages += below.map { ($0.name, 1) }
        return pages + [("mount.sealdisk", 8)]
    }
}
