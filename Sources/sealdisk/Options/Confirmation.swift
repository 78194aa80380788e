import ArgumentParser
import Glibc

/// Whether what loses something is to be confirmed. Who is not at a terminal is not asked: scripts
/// go on as they are written.
struct Confirmation: ParsableArguments {
    @Flag(help: "Do not ask. (Only a terminal is asked.)")
    var yes = false

    /// Throws unless the person at the terminal says yes. `question` says by name what is lost.
    func confirm(_ question: () throws(Failure) -> String) throws(Failure) {
        guard !yes, isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return }
        Terminal.complain("\(Table.printable(try question())) [y/N] ")
        let answer = readLine()?.lowercased() ?? ""
        guard ["y", "yes"].contains(answer) else {
            throw Failure(
                .denied, "Nothing was changed: it was not confirmed.",
                advice: "Answer y, or give --yes.")
        }
    }
}
