import Foundation
import KeyManagement
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00Z"), (1_795_471_200, "2026-11-23T22:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
        (-62_167_219_200, "0000-01-01T00:00:00Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
    ])
    func printsAndParses(_ seconds: Int64, _ text: String) {
        #expect(Timestamp(seconds: seconds).description == text)
        #expect(Timestamp(text) == Timestamp(seconds: seconds))
    }

    /// The C library's calendar as reference, every day of 600 years at a moving hour.
    @Test func agreesWithTheLibraryOnEveryDay() throws {
        for day in -130_000...90_000 {
            var seconds = time_t(day * 86_400 + abs(day) % 86_400)
            var parts = tm()
            try #require(gmtime_r(&seconds, &parts) != nil)
            let (text, timestamp) = (Timestamp(seconds: Int64(seconds)).description, seconds)
            var expected = [CChar](repeating: 0, count: 32)
            strftime(&expected, expected.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
            let same = text.utf8.elementsEqual(
                expected.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
            if !same || Timestamp(text)?.seconds != Int64(timestamp) {
                Issue.record("\(seconds) is not \(text)")
                return
            }
        }
    }

    @Test(arguments: [
        "", "2026-11-23", "2026-11-23T22:00:00", "2026-11-23 22:00:00Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
        "2026-06-30T23:59:60Z", "2026-1-01T00:00:00ZZ", "+026-01-01T00:00:00Z",
        "2026-01-01T00:00:00z", "2026-01-01T00:00:00Z ",
    ])
    func otherTextsAreRefused(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func extremesPrint() {
        #expect(Timestamp(seconds: .max).description.hasSuffix("T15:30:07Z"))
        #expect(Timestamp(seconds: .min).description.hasSuffix("T08:29:52Z"))
    }

    @Test func isItsTextInJSON() throws {
        let json = try JSONEncoder().encode([Timestamp(seconds: 0)])
        #expect(String(decoding: json, as: UTF8.self) == #"["1970-01-01T00:00:00Z"]"#)
        #expect(
            try JSONDecoder().decode([Timestamp].self, from: json) == [Timestamp(seconds: 0)])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Timestamp].self, from: Data(#"["yesterday"]"#.utf8))
        }
    }

    @Test func clocks() {
        let manual = ManualClock(Timestamp(seconds: 5))
        manual.advance(bySeconds: 10)
        #expect(manual.now() == Timestamp(seconds: 15))
        manual.set(Timestamp(seconds: 1))
        #expect(manual.now() == Timestamp(seconds: 1))
        let before = Int64(time(nil))
        let now = SystemClock().now().seconds
        // time(2) looks at a coarser clock, which lags a tick behind.
        #expect(now >= before && now <= Int64(time(nil)) + 1)
    }
}

@Suite struct WrappedKeyCodingTests {
    @Test func isHexInJSON() throws {
        let key = WrappedKey(keyID: "id", bytes: [0x00, 0xAB, 0xFF])
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = try encoder.encode(key)
        #expect(String(decoding: json, as: UTF8.self) == #"{"bytes":"00abff","keyID":"id"}"#)
        #expect(try JSONDecoder().decode(WrappedKey.self, from: json) == key)
    }

    @Test(arguments: ["0", "0G", "AB", "ab ", String(repeating: "00", count: 4097)])
    func otherTextsAreRefused(_ text: String) {
        #expect(throws: DecodingError.self) {
            let json = #"{"bytes":"\#(text)","keyID":"id"}"#
            _ = try JSONDecoder().decode(WrappedKey.self, from: Data(json.utf8))
        }
    }
}
