import Glibc

/// Colours on a terminal; none elsewhere, and none where NO_COLOR is set (no-color.org).
enum Colour: String, Sendable {
    case red = "31"
    case green = "32"
    case yellow = "33"
    case dim = "2"
    case bold = "1"

    /// The text in this colour, if `isShown`.
    func paint(_ text: String, if isShown: Bool) -> String {
        isShown && !text.isEmpty ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Whether a stream shows colours.
    static func isShown(on stream: Int32) -> Bool {
        isatty(stream) == 1 && (environmentVariable("NO_COLOR") ?? "").isEmpty
            && environmentVariable("TERM") != "dumb"
    }

    /// What a state means, by its word in a list: `!` behind it is damage.
    static func ofState(_ word: String) -> Colour? {
        if word.hasSuffix(DamageNotes.mark) { return .red }
        switch word {
        case "In_use", "yes", "Enabled", "ok", "served": return .green
        case "Attaching", "Detaching", "Creating", "ReIniting", "Elsewhere", "warning":
            return .yellow
        case "failed", "dead", "damaged", "Disabled", "PendingDeletion", "silent": return .red
        default: return nil
        }
    }
}
