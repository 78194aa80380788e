import ControlPlane

/// Messages of the control plane in the words of the command line. Where such a message tells
/// requests or parameters of the API it puts them in backticks (`` `DetachDisk DiskId=data` ``,
/// `` `Size=20` ``), so that nothing is guessed here: those become commands and options, and all
/// other text stays as it is.
enum CommandLineWords {
    /// - Parameter action: what was asked for; the options of its command are meant where a
    ///   parameter stands by itself.
    static func text(_ message: String, of action: String?) -> String {
        let parts = message.split(separator: "`", omittingEmptySubsequences: false)
        // Backticks come in pairs; what does not is a name that somebody gave.
        guard !parts.count.isMultiple(of: 2) else { return message }
        return parts.enumerated().map { index, part in
            guard !index.isMultiple(of: 2) else { return String(part) }
            return command(part) ?? option(part, of: action) ?? "`\(part)`"
        }.joined()
    }

    /// A request as the command that sends it; nil if it is none. A value `…` is the reader's to
    /// choose, as are those that the command demands and the request does not have.
    private static func command(_ request: Substring) -> String? {
        let words = request.split(separator: " ")
        guard let action = words.first else { return nil }
        var values: [String: String] = [:]
        for word in words.dropFirst() {
            guard let (name, value) = parameter(word), let value else { return nil }
            values[name] = value
        }
        if action == "DescribeDisks", let disk = values["DiskId"] {
            return "sealdisk disk show \(disk)"
        }
        guard let form = CommandForm.all[String(action)] else { return nil }
        return form.line(values)
    }

    private static func option(_ text: Substring, of action: String?) -> String? {
        guard let (name, value) = parameter(text) else { return nil }
        let forms =
            action.flatMap { CommandForm.all[$0] }.map { [$0] }
            ?? CommandForm.all.sorted { $0.key < $1.key }.map(\.value)
        return forms.lazy.compactMap { $0.option(name, value) }.first
    }

    /// `Name` or `Name=value`.
    private static func parameter(_ word: Substring) -> (name: String, value: String?)? {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, !name.isEmpty,
            name.allSatisfy({ $0.isASCII && $0.isLetter })
        else { return nil }
        return (String(name), parts.count > 1 ? String(parts[1]) : nil)
    }
}
