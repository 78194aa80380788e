import ArgumentParser
import Glibc

/// Showing something again and again.
struct WatchOptions: ParsableArguments {
    @Flag(help: "Show it again and again, until Ctrl-C.")
    var watch = false

    @Option(help: ArgumentHelp("With --watch: seconds between two looks.", valueName: "seconds"))
    var every: Double = 2

    func validate() throws {
        guard every >= 0.1, every <= 86_400 else {
            throw ValidationError("--every takes 0.1 to 86400 seconds.")
        }
    }

    /// Does it once; with `--watch` until the user has seen enough.
    func repeating(_ body: () throws -> Void) throws {
        guard watch else { return try body() }
        Interruption.watch()
        while !Interruption.isRequested {
            if Terminal.isTerminal { print("\u{1B}[H\u{1B}[2J", terminator: "") }
            JSONOutput.beginAnew()
            try body()
            fflush(nil)
            let end = ContinuousClock.now + .seconds(every)
            // In parts: the signal may come to another thread, and not end the wait.
            while !Interruption.isRequested, ContinuousClock.now < end { usleep(50_000) }
        }
    }
}
