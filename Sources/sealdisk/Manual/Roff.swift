/// Text as troff(1) shows it just as it is.
enum Roff {
    /// Inside a line.
    static func escaped(_ text: some StringProtocol) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\e"
            // Else they become typographic ones, and what is copied from a page does not work.
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "\"": result += "\\(dq"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case _ where scalar.isASCII: result.unicodeScalars.append(scalar)
            default: result += "\\[u\(hexadecimal(scalar.value))]"
            }
        }
        return result
    }

    /// A line of text of its own; what stands between backquotes is bold.
    static func line(_ text: some StringProtocol) -> String {
        let parts = text.split(separator: "`", omittingEmptySubsequences: false)
        guard parts.count.isMultiple(of: 2) == false else { return guarded(escaped(text)) }
        let line = parts.enumerated().map { index, part in
            index.isMultiple(of: 2) ? escaped(part) : bold(part)
        }.joined()
        return guarded(line)
    }

    /// A line that is shown with its spaces, where lines are not filled.
    static func literal(_ text: some StringProtocol) -> String { guarded(escaped(text)) }

    static func bold(_ text: some StringProtocol) -> String { "\\fB\(escaped(text))\\fR" }

    static func italic(_ text: some StringProtocol) -> String { "\\fI\(escaped(text))\\fR" }

    /// A point at the beginning of a line would be a request. (Apostrophes are escaped.)
    private static func guarded(_ line: String) -> String {
        line.hasPrefix(".") ? "\\&" + line : line
    }

    /// Four digits at least.
    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
