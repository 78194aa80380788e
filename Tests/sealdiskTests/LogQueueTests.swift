import Foundation
import Synchronization
import Testing

@testable import sealdisk

@Suite struct LogQueueTests {
    /// A log that is written only as far as it is let.
    private final class SlowLog: Sendable {
        private let written = Mutex<[String]>([])
        let gate = DispatchSemaphore(value: 0)
        var lines: [String] { written.withLock { $0 } }

        func write(_ line: LogLine) {
            gate.wait()
            written.withLock { $0.append(line.text) }
        }
    }

    @Test func nobodyWaitsForASlowLogAndDroppedLinesAreCounted() {
        let log = SlowLog()
        let queue = LogQueue(capacity: 3) { log.write($0) }
        for number in 0..<10 { queue.post(LogLine(text: "line \(number)")) }
        #expect(!queue.drain(seconds: 0))
        for _ in 0..<4 { log.gate.signal() }
        queue.writeNext()
        #expect(
            log.lines == ["line 0", "line 1", "line 2", "7 lines were dropped: the log is slow"])
        #expect(queue.drain(seconds: 0))
        queue.post(LogLine(text: "later"))
        log.gate.signal()
        queue.writeNext()
        #expect(log.lines.last == "later")
    }

    @Test func linesAreWrittenByAThreadOfItsOwn() {
        let log = SlowLog()
        let queue = LogQueue { log.write($0) }
        queue.start()
        queue.post(LogLine(text: "one"))
        #expect(log.lines.isEmpty)
        log.gate.signal()
        #expect(queue.drain(seconds: 60))
        #expect(log.lines == ["one"])
    }

    @Test func timesAreInUTC() {
        #expect(Report.stamp(1_795_593_600) == "2026-11-25T08:00:00Z")
    }
}
