import DiskEngine
import Testing

@testable import Namespace

/// A failure's line says for programs, too, what failed where and why.
@Suite struct LoggedFailureTests {
    @Test func aFailureHasItsPlaceAndCauseAsMetadata() {
        let log = Log()
        let faults = FaultLog(now: { 0 }, log.logger)
        let medium = DiskError(.io, "read 7.chunk: Input/output error", chunk: "a/7.chunk")
        let told = DiskError(.io, "reading disk d at byte 8192: \(medium.message)", cause: medium)
        faults.report(told, "read", of: .disk("d"), at: 8192)
        faults.report(told, "read", of: .sealedSnapshot("s"), at: 1)
        #expect(log.lines.map(\.level) == [.error, .error])
        #expect(
            log.lines.map(\.metadata) == [
                [
                    "disk": "d", "operation": "read", "offset": "8192", "code": "io",
                    "chunk": "a/7.chunk", "cause": "read 7.chunk: Input/output error",
                ],
                [
                    "snapshot": "s", "file": "sealed", "operation": "read", "offset": "1",
                    "code": "io", "chunk": "a/7.chunk",
                    "cause": "read 7.chunk: Input/output error",
                ],
            ])
    }
}
