import ControlPlane
import Glibc

/// rsync(1), by which files are copied and compared.
struct Rsync {
    let source: String
    let target: String
    let deletes: Bool

    /// As many differences as are told.
    private static let shownDifferences = 10

    private var common: [String] {
        ["rsync", "-aHAXS", "--numeric-ids", "--exclude=/lost+found"]
            + (deletes ? ["--delete"] : [])
    }

    private var ends: [String] { ["--", Self.folder(source), Self.folder(target)] }

    /// What is in a folder, not the folder itself.
    private static func folder(_ path: String) -> String {
        path.hasSuffix("/") ? path : path + "/"
    }

    /// Goes on where an earlier one stopped.
    func copy(isQuiet: Bool) throws(Failure) {
        let progress = isatty(STDERR_FILENO) == 1 && !isQuiet ? ["--info=progress2"] : []
        let status = ChildProcess.runUntilInterrupted(common + ["--partial"] + progress + ends)
        switch status {
        case 0: return
        case nil where Interruption.isRequested:
            throw Failure(
                .failed, "The copy was interrupted.",
                advice: "The same command goes on where it stopped.")
        case nil, 127:
            throw Failure(
                .failed, "rsync could not be started.", advice: "Install it: package rsync.")
        case let status?:
            throw Failure(
                status == 11 ? .noSpace : .failed,
                "Not everything could be copied (rsync ended with \(status)).",
                advice: "See what it said above; the same command goes on where it stopped.")
        }
    }

    /// Compares contents by checksums, and everything else that is kept. Throws `.failed`, naming
    /// some of what differs.
    func compare() throws(Failure) {
        let arguments = common + ["--dry-run", "--checksum", "--itemize-changes"] + ends
        let (status, text) = ChildProcess.output(of: arguments)
        guard !Interruption.isRequested else {
            throw Failure(
                .failed, "Everything was copied, and comparing it was interrupted.",
                advice: "The same command copies what has changed since, and compares all of it.")
        }
        let lines = text.split(separator: "\n")
        guard status == 0, lines.isEmpty else {
            let shown = lines.prefix(Self.shownDifferences).joined(separator: "\n  ")
            throw Failure(
                .failed, "Source and target differ after the copy:\n  \(shown)",
                advice: "What changes while it is copied differs: repeat it at a quiet time, or"
                    + " copy a snapshot.")
        }
    }
}
