import ArgumentParser
import ControlPlane

extension SealDisk {
    /// The command that the words at the beginning of a command line name, as far as they do.
    static func command(named arguments: [String]) -> any ParsableCommand.Type {
        var found: any ParsableCommand.Type = SealDisk.self
        for word in arguments {
            let next = found.configuration.subcommands.first {
                $0._commandName == word || $0.configuration.aliases.contains(word)
            }
            guard let next else { break }
            found = next
        }
        return found
    }

    /// The first option that the command does not have, and the one that is nearest to it. The
    /// parser itself says first which option is missing, though that may be the misspelt one.
    static func unknownOption(_ arguments: [String]) -> (given: String, meant: String?)? {
        let command = command(named: arguments)
        guard command.configuration.subcommands.isEmpty else { return nil }
        let known = options(of: command)
        for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
            let given = String(argument.prefix { $0 != "=" })
            guard !known.contains(given) else { continue }
            return (given, Suggestion.nearest(to: given, among: known))
        }
        return nil
    }

    /// All long options of a command, with their dashes; from the parser's own description of it.
    static func options(of command: any ParsableCommand.Type) -> [String] {
        let description = try? JSON(parsing: command._dumpHelp().utf8)
        let arguments = description?["command"]?["arguments"]?.array ?? []
        let names = arguments.flatMap { $0["names"]?.array ?? [] }
        return names.filter { $0.text("kind") == "long" }.map { "--\($0.text("name"))" }
            + ["--help", "--version"]
    }
}
