import ArgumentParser
import Glibc

/// How the progress of something long is told.
enum ProgressForm: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// A bar on a terminal, nothing elsewhere.
    case auto
    case bar
    /// A line of text every ten seconds, as for a log.
    case lines
    /// A line of JSON every second, for a program.
    case json
    case none

    var chosen: ProgressForm {
        guard self == .auto else { return self }
        return isatty(STDERR_FILENO) == 1 ? .bar : .none
    }

    /// Seconds between two tellings.
    var period: Double {
        switch self {
        case .auto, .bar, .none: 0.2
        case .lines: 10
        case .json: 1
        }
    }
}

/// What commands that may take long understand.
struct ProgressOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How progress is told, on standard error: auto (a bar on a terminal), bar, lines, json"
                + " or none.", valueName: "form"))
    var progress = ProgressForm.auto
}
