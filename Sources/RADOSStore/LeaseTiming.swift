/// How long the cluster keeps a store for a process that it hears nothing from, and when that
/// process gives up by itself.
///
/// Safe with clocks that disagree, as long as they run at about the same rate: the holder counts
/// from the moment *before* it sends a renewal, the cluster from when that arrives, which is later.
/// So the holder's `length - margin` is over before the cluster's `length` is, unless the holder's
/// clock loses more than `margin` in `length` (5 s in 30 s; a bad quartz loses 5 ms). The holder's
/// clock counts while the host sleeps. What is on its way when the lease ends, a host whose clock
/// stands still (a virtual machine that is paused), and a cluster whose clock is set forward are
/// not helped by that: against these, whoever takes the store over has the cluster refuse the
/// holder's client for good before it looks at anything. The lease says when that may be done; the
/// refusal is what makes it safe.
public struct LeaseTiming: Sendable, Hashable {
    public let length: Duration
    public let renewal: Duration
    public let margin: Duration

    /// Precondition: `renewal` and `margin` together are shorter than `length`, a renewal of which
    /// may then fail without harm.
    public init(
        length: Duration = .seconds(30), renewal: Duration = .seconds(10),
        margin: Duration = .seconds(5)
    ) {
        // No user's setting holds this to be so, but the constants of the program and of tests.
        precondition(renewal > .zero && margin >= .zero && renewal + margin < length)
        self.length = length
        self.renewal = renewal
        self.margin = margin
    }
}

extension Duration {
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(max(0, attoseconds)) / 1_000_000_000
    }
}
