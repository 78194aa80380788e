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

    /// A program that is asked to end when this process does, however that ends: rsync then leaves
    /// no file under a name of its own, and is not in the way of the next copy.
    private static let ending = ["setpriv", "--pdeathsig", "TERM", "--"]

    /// Goes on where an earlier one stopped.
    func copy(_ what: String, _ form: ProgressForm) throws(Failure) {
        let progress = Progress(of: 0, what, form)
        defer { progress.end() }
        let status = ChildProcess.runUntilInterrupted(
            Self.ending + common + ["--partial", "--info=progress2", "--no-human-readable"] + ends
        ) { line in
            guard let (done, all) = Self.progress(line) else { return }
            progress.reached(done, of: all)
        }
        progress.end()
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

    /// What a line of rsync's says, `  1234567  12%  10.00MB/s  0:00:10 (…)`: bytes done, and of
    /// how many as far as it has looked.
    static func progress(_ line: Substring) -> (done: UInt64, all: UInt64)? {
        let words = line.split(separator: " ")
        guard words.count >= 2, let done = UInt64(words[0]), words[1].hasSuffix("%"),
            let percent = UInt64(words[1].dropLast()), percent <= 100
        else { return nil }
        let (product, isTooLarge) = done.multipliedReportingOverflow(by: 100)
        guard percent > 0, !isTooLarge else { return (done, 0) }
        return (done, product / percent)
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
