import ArgumentParser
import ControlPlane
import Glibc

/// The hidden command that writes the pages for man(1), out of what `--help` says.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual", abstract: "Write the manual pages.", shouldDisplay: false)

    @Argument(help: "The folder that they are written to.")
    var folder: String

    func run() throws {
        if mkdir(folder, 0o755) != 0, errno != EEXIST { throw Self.failure(folder) }
        for page in try Manual.pages() {
            let path = "\(folder)/\(page.file)"
            guard let file = fopen(path, "we") else { throw Self.failure(path) }
            let isWritten = fputs(page.text, file) >= 0
            guard fclose(file) == 0, isWritten else { throw Self.failure(path) }
        }
    }

    private static func failure(_ path: String) -> Failure {
        Failure(
            .failed, "\(path) could not be written: \(String(cString: strerror(errno))).",
            advice: "Name a folder that can be written to.")
    }
}
