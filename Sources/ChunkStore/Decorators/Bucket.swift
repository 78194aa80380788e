import Synchronization

/// How much a second may take, and how much at once after a pause.
public struct Pace: Sendable, Hashable {
    public let perSecond: UInt64
    public let burst: UInt64

    /// nil if either is 0: nothing would ever pass.
    public init?(perSecond: UInt64, burst: UInt64) {
        guard perSecond > 0, burst > 0 else { return nil }
        self.perSecond = perSecond
        self.burst = burst
    }
}

/// A token bucket: it holds `burst` tokens at most, and gets `perSecond` of them a second.
///
/// Invariant: what may begin within any span of time is at most the burst and what the span brings;
/// who takes more than the burst at once waits until the rest of it has come as well.
final class Bucket: Sendable {
    private let pace: Pace
    /// The moment at which the bucket is full again if nobody takes anything. What it lacks now is
    /// what comes until then, so this is all that there is to remember.
    private let fullAt = Mutex<Duration>(.zero)

    init(_ pace: Pace) { self.pace = pace }

    /// Takes tokens, and says how long to wait before they are there.
    func take(_ count: UInt64, at now: Duration) -> Duration {
        fullAt.withLock { fullAt in
            fullAt = max(fullAt, now) + time(of: count)
            return max(fullAt - now - time(of: pace.burst), .zero)
        }
    }

    /// Takes tokens if they are there.
    func takeAtOnce(_ count: UInt64, at now: Duration) -> Bool {
        fullAt.withLock { fullAt in
            let full = max(fullAt, now) + time(of: count)
            guard full - now <= time(of: pace.burst) else { return false }
            fullAt = full
            return true
        }
    }

    private func time(of count: UInt64) -> Duration {
        .seconds(Double(count) / Double(pace.perSecond))
    }
}
