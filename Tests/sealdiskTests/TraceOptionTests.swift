import Testing

@testable import sealdisk

@Suite struct TraceOptionTests {
    @Test func timesAreReadWithTheirUnits() {
        for (text, nanoseconds) in [
            ("10ms", 10_000_000), ("0.5ms", 500_000), ("1s", 1_000_000_000), ("7us", 7000),
            ("7µs", 7000), ("0ns", 0),
        ] as [(String, UInt64)] {
            #expect(Latency(argument: text)?.nanoseconds == nanoseconds, "\(text)")
        }
        for text in ["", "10", "ms", "-1ms", "1h", "1.2.3s", "1e3s", "99999999999s"] {
            #expect(Latency(argument: text) == nil, "\(text)")
        }
    }

    @Test func timesAreShownInThreeDigits() {
        for (nanoseconds, text) in [
            (0, "0 ns"), (999, "999 ns"), (1000, "1.00 µs"), (12_345, "12.3 µs"),
            (999_999, "999 µs"), (1_050_000, "1.05 ms"), (2_000_000_000, "2.00 s"),
        ] as [(UInt64, String)] {
            #expect(Latency.text(nanoseconds) == text)
        }
    }

    @Test func operationsAreTheDisksOwn() {
        #expect(OperationList(argument: "read,write_zeroes")?.names == ["read", "write_zeroes"])
        for text in ["", "read,", "reed", "read, write"] {
            #expect(OperationList(argument: text) == nil, "\(text)")
        }
    }

    @Test func linesOfATraceAreRead() throws {
        guard
            case .request(let request)? = TraceLine(
                "{\"Time\":\"2026-11-25T08:00:00.000000001Z\",\"Operation\":\"read\",\"Offset\":1,"
                    + "\"Length\":2,\"Nanoseconds\":3,\"Errno\":5}")
        else {
            Issue.record("no request")
            return
        }
        #expect(request.operation == "read" && request.offset == 1 && request.length == 2)
        #expect(request.nanoseconds == 3 && request.errno == 5)
        guard case .lost(4)? = TraceLine("{\"Lost\":4}"),
            case .end("x")? = TraceLine("{\"End\":\"x\"}")
        else {
            Issue.record("no loss, or no end")
            return
        }
        for text in ["", "{}", "{\"Time\":\"\"}", "read 1 2"] {
            if TraceLine(text) != nil { Issue.record("\(text) was read") }
        }
    }
}
