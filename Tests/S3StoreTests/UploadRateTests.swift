import Testing

@testable import S3Store

@Suite("S3: how fast uploads go")
struct UploadRateTests {
    private static let mebi: UInt64 = 1 << 20
    private var rate = UploadRate(least: 4 << 20)

    @Test mutating func itIsWhatAllThreadsTogetherDid() {
        #expect(rate.bytesPerSecond == nil)
        rate.begin(at: .seconds(100))
        rate.begin(at: .seconds(100.1))
        rate.end(bytes: 8 * Self.mebi, at: .seconds(100.4))
        #expect(rate.bytesPerSecond == nil, "one is under way, and not for long")
        rate.end(bytes: 8 * Self.mebi, at: .seconds(100.5))
        #expect(rate.bytesPerSecond == Double(32 * Self.mebi))
        // Nothing is said by what lies between.
        rate.begin(at: .seconds(900))
        rate.end(bytes: 16 * Self.mebi, at: .seconds(901))
        #expect(rate.bytesPerSecond == Double(24 * Self.mebi), "half new, half old")
    }

    @Test mutating func uploadsWithoutAPauseAreSampledToo() {
        rate.begin(at: .seconds(1))
        for second in 2...4 {
            rate.begin(at: .seconds(second))
            rate.end(bytes: 8 * Self.mebi, at: .seconds(second))
        }
        #expect(rate.bytesPerSecond == Double(8 * Self.mebi))
    }

    @Test mutating func aFewBytesSayNothing() {
        rate.begin(at: .seconds(1))
        rate.end(bytes: Self.mebi, at: .seconds(2))
        #expect(rate.bytesPerSecond == nil)
        rate.begin(at: .seconds(3))
        rate.end(bytes: 8 * Self.mebi, at: .seconds(3))
        #expect(rate.bytesPerSecond == nil, "nor what took no time")
    }

    @Test mutating func afterAFailureNothingIsKnown() {
        rate.begin(at: .seconds(1))
        rate.end(bytes: 8 * Self.mebi, at: .seconds(2))
        #expect(rate.bytesPerSecond != nil)
        rate.begin(at: .seconds(3))
        rate.fail()
        #expect(rate.bytesPerSecond == nil)
        rate.begin(at: .seconds(4))
        rate.end(bytes: 4 * Self.mebi, at: .seconds(5))
        #expect(rate.bytesPerSecond == Double(4 * Self.mebi))
    }
}
