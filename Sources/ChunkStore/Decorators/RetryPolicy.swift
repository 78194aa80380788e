/// How often and how long a call is asked for again.
public struct RetryPolicy: Sendable, Hashable {
    /// How often a call is made at most; 1: none is repeated.
    public var attempts: Int
    /// The longest wait before the second attempt; before each later one it is twice as long.
    public var firstWait: Duration
    /// No wait is longer.
    public var longestWait: Duration
    /// No attempt begins later than this after the first one began.
    public var patience: Duration

    public init(attempts: Int, firstWait: Duration, longestWait: Duration, patience: Duration) {
        self.attempts = attempts
        self.firstWait = firstWait
        self.longestWait = longestWait
        self.patience = patience
    }

    /// How long to wait after so many attempts: anything up to the whole bound, by chance, so that
    /// those who were refused at the same time do not come back at the same time.
    func wait(after attempts: Int, chance: UInt64) -> Duration {
        var bound = min(firstWait, longestWait)
        for _ in 1..<attempts where bound < longestWait { bound = min(bound * 2, longestWait) }
        return bound * (Double(chance >> 11) / Double(1 << 53))
    }
}
