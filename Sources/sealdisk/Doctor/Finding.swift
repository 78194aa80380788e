import ControlPlane

/// One thing that the doctor looked at.
struct Finding {
    enum State: String, Sendable {
        case ok
        /// Works, but not as well or as safely as it could.
        case warning
        case failed
        /// It was wrong, and is not any more.
        case mended
    }

    let what: String
    let state: State
    let text: String
    /// What to do; empty if nothing is to be done.
    var remedy = ""

    static func ok(_ what: String, _ text: String) -> Finding {
        Finding(what: what, state: .ok, text: text)
    }

    static func warning(_ what: String, _ text: String, _ remedy: String) -> Finding {
        Finding(what: what, state: .warning, text: text, remedy: remedy)
    }

    static func failed(_ what: String, _ text: String, _ remedy: String) -> Finding {
        Finding(what: what, state: .failed, text: text, remedy: remedy)
    }

    static func mended(_ what: String, _ text: String) -> Finding {
        Finding(what: what, state: .mended, text: text)
    }

    /// Documented in CommandLine.md.
    var json: JSON {
        .object([
            "Check": .string(what), "State": .string(state.rawValue), "Text": .string(text),
            "Remedy": .string(remedy),
        ])
    }
}
