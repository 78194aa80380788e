import DiskEngine
import Synchronization
import Testing

@testable import Namespace

@Suite struct FaultLogTests {
    private let log = Log()
    private let time = Time()

    private final class Time: Sendable {
        private let seconds = Mutex(1000.0)
        func pass(_ more: Double) { seconds.withLock { $0 += more } }
        var now: Double { seconds.withLock { $0 } }
    }

    private func make() -> FaultLog {
        let (log, time) = (log, time)
        return FaultLog(now: { time.now }, log.logger)
    }

    @Test func theFirstFailureIsToldAtOnceAndLaterOnesAreCounted() {
        let faults = make()
        let failure = DiskError(.io, "chunk 7: it broke")
        for _ in 0..<5 { faults.report(failure, "read", of: .disk("d"), at: 4096) }
        #expect(log.all == ["read of disk d at byte 4096 failed: chunk 7: it broke"])
        time.pass(FaultLog.interval - 1)
        faults.report(failure, "read", of: .disk("d"), at: 0)
        #expect(log.all.count == 1)
        time.pass(1)
        faults.report(failure, "write", of: .disk("d"), at: 8192)
        #expect(log.all.count == 2)
        #expect(log.all[1].hasSuffix("it broke (5 more since the last line of this kind)"))
        time.pass(FaultLog.interval)
        faults.report(failure, "read", of: .disk("d"), at: 0)
        #expect(log.all.count == 3 && log.all[2].hasSuffix("it broke"))
    }

    @Test func disksAndKindsDoNotSilenceEachOther() {
        let faults = make()
        for resource in [FaultLog.Resource.disk("d"), .disk("e")] {
            for code in [DiskError.Code.io, .damaged] {
                faults.report(DiskError(code, "x"), "read", of: resource, at: 0)
            }
        }
        #expect(log.all.count == 4)
    }

    @Test func whatWasNotToldIsToldAtTheEnd() {
        let faults = make()
        for _ in 0..<3 { faults.report(DiskError(.io, "x"), "read", of: .disk("d"), at: 0) }
        faults.report(DiskError(.io, "x"), "read", of: .disk("e"), at: 0)
        faults.tellRest()
        #expect(log.all.count == 3)
        #expect(log.all.last == "disk d: 2 more failures (io)")
        faults.tellRest()
        #expect(log.all.count == 3)
    }
}
