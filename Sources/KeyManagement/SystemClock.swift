import Glibc
import Synchronization

/// The host's clock.
public struct SystemClock: WallClock {
    public init() {}

    public func now() -> Timestamp {
        var time = timespec()
        // CLOCK_REALTIME always exists, so the call has no way to fail.
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec))
    }

    public func elapsed() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// A clock that stands still until it is told, for tests and simulations.
public final class ManualClock: WallClock {
    private let time: Mutex<Timestamp>

    public init(_ start: Timestamp) { time = Mutex(start) }

    public func now() -> Timestamp { time.withLock { $0 } }

    public func set(_ moment: Timestamp) { time.withLock { $0 = moment } }

    public func advance(bySeconds seconds: Int64) {
        time.withLock { $0 = Timestamp(seconds: $0.seconds + seconds) }
    }
}
