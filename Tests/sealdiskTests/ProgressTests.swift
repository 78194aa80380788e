import ControlPlane
import Glibc
import Testing

@testable import sealdisk

/// What is told of something long.
@Suite struct ProgressTests {
    @Test func aLineSaysHowFarHowFastAndHowLong() {
        let half = ProgressLine(
            what: "Exporting s", done: 50 << 20, all: 100 << 20, rate: 5_242_880)
        #expect(half.text == "Exporting s: 50 % of 100 MiB, 5 MiB/s, 10 s left")
        #expect(half.bar(width: 80).hasPrefix("[\(String(repeating: "#", count: 14))"))
        #expect(half.bar(width: 80).count <= 80 && half.bar(width: 30).count <= 30)
        let unknown = ProgressLine(what: "Checking", done: 1 << 20, all: 0, rate: nil)
        #expect(unknown.text == "Checking: 1 MiB")
        let beyond = ProgressLine(what: "x", done: 11, all: 10, rate: 1)
        #expect(beyond.percent == 100 && beyond.left == 0)
        #expect(half.json["SecondsLeft"]?.unsigned == 10)
        #expect(half.json["DoneBytes"]?.unsigned == 50 << 20)
        #expect(unknown.json["TotalBytes"] == nil)
    }

    @Test func durationsAreForPeople() {
        #expect(ProgressLine.duration(59) == "59 s")
        #expect(ProgressLine.duration(125) == "2 min 5 s")
        #expect(ProgressLine.duration(3720) == "1 h 2 min")
    }

    @Test func aJobIsSeenWhileItLasts() throws {
        let what = "Testing \(getpid())"
        func found() -> [JSON] { Job.all().filter { $0.text("Job") == what } }
        let progress = Progress(of: 1000, what, .none)
        let job = try #require(found().first)
        #expect(job.count("Process") == UInt64(getpid()) && job.count("TotalBytes") == 1000)
        progress.end()
        #expect(found().isEmpty)
    }

    /// What a killed process left is told from what lives, and goes.
    @Test func aDeadJobIsTakenAway() throws {
        let folder = try #require(FailureNote.folders(making: true).first)
        let path = "\(folder)/sealdisk-\(getpid())-dead.job"
        let text = """
            {"Job":"Dead","Process":\(getpid()),"ProcessStart":"1","Started":1,"DoneBytes":1}
            """
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        try #require(file >= 0)
        _ = text.withCString { write(file, $0, strlen($0)) }
        close(file)
        #expect(!Job.all().contains { $0.text("Job") == "Dead" })
        #expect(access(path, F_OK) != 0)
    }

    @Test func whatRsyncSaysIsUnderstood() {
        let line: Substring = "  1048576  25%   10.00MB/s    0:00:03 (xfr#5, to-chk=169/396)"
        let said = Rsync.progress(line)
        #expect(said?.done == 1 << 20 && said?.all == 4 << 20)
        #expect(Rsync.progress("0   0%    0.00kB/s")?.all == 0)
        for noise: Substring in ["", "sending incremental file list", "x 5%", "5 500%", "7 x%"] {
            #expect(Rsync.progress(noise) == nil)
        }
    }
}
