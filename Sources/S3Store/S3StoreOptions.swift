/// What is promised of writes to a store on S3, and how much of this host it may take.
public struct S3StoreOptions: Sendable {
    /// When a flush of a disk is answered.
    public enum Durability: String, Sendable, CaseIterable {
        /// When it is durable on this host; the bucket has it within `lag`. Losing the host loses
        /// at most that tail, and what is left is a prefix.
        case host
        /// When it is in the bucket.
        case store
    }

    public var durability = Durability.host
    /// The longest that something waits for its upload while the bucket answers.
    public var lag = Duration.seconds(10)
    /// Bytes on this host that copies of what the bucket has may take.
    public var cacheBytes: UInt64 = 10 << 30
    /// Bytes that may wait for their upload before a new chunk has to wait.
    public var waitingBytes: UInt64 = 1 << 30
    /// Threads that upload, each with a chunk in memory; and as many that read ahead.
    public var uploads = 4
    /// Bytes that uploads have to have for their rate to be counted.
    public var leastRated: UInt64 = 4 << 20
    /// How long a call waits for a bucket that does not answer, before it fails.
    public var patience = Duration.seconds(120)
    public var lease = LeaseTerm()
    /// This host's name, which others are told behind the holder's; empty: they are not.
    public var hostName = ""
    /// Whether the store is taken from another host that has it.
    public var isFencing = false
    /// Bytes a second for putting chunks anew that are mostly dead.
    public var compactionRate: UInt64 = 32 << 20

    public init() {}
}

/// How long a lease is good for.
///
/// A holder counts from the moment *before* it asked for the renewal, and stops `margin` before
/// the end; another counts from the moment *after* it saw a renewal, and waits `margin` longer.
/// Both use their own clock for spans alone. So no two hold it as long as their clocks differ in
/// speed by less than two margins in a term.
public struct LeaseTerm: Sendable {
    public var length = Duration.seconds(30)
    public var margin: Duration { length / 5 }
    public var renewal: Duration { length / 3 }

    public init(length: Duration = .seconds(30)) { self.length = length }
}
