import ChunkStore
import Glibc

/// The host's clock, for what waits for servers and measures them. It goes on while the host is
/// suspended, as the servers' clocks do: what runs out there has run out here.
public struct HostTime: StoreTime {
    public init() {}

    public func now() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    public func sleep(for duration: Duration) {
        guard duration > .zero else { return }
        let (seconds, attoseconds) = duration.components
        var rest = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var left = timespec()
        // A signal ends it early.
        while nanosleep(&rest, &left) != 0, errno == EINTR { rest = left }
    }
}
