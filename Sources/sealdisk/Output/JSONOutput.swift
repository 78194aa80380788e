import ControlPlane
import Synchronization

/// What `--json` prints: one value on standard output, be it the reply, a report, or why there is
/// none.
///
/// Whoever prints something there says so here; a failure afterwards has its exit code and its
/// words on the other stream, and standard output stays one value.
enum JSONOutput {
    private static let hasBegun = Atomic(false)

    static func show(_ json: JSON) { show(json.text) }

    /// A value that is text already.
    static func show(_ text: String) {
        begin()
        print(text)
    }

    /// Something is about to be written that comes part by part, or is no JSON.
    static func begin() { hasBegun.store(true, ordering: .relaxed) }

    /// The next value is another one's: a round of `--watch`.
    static func beginAnew() { hasBegun.store(false, ordering: .relaxed) }

    /// Prints why a command did nothing, if these arguments ask for JSON and nothing was printed.
    static func show(_ failure: Failure, toWhoAsked arguments: [String]) {
        // Behind `--` there are only values; an option takes none that begins with dashes.
        guard arguments.prefix(while: { $0 != "--" }).contains("--json"),
            !hasBegun.load(ordering: .relaxed)
        else { return }
        show(failure.reply ?? failure.json.text)
    }
}
