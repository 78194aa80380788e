/// Time, for what people read (creation times, the key-use log, figures) and never for ordering.
public protocol WallClock: Sendable {
    func now() -> Timestamp
    /// Nanoseconds of a clock that is never set: how long something took.
    func elapsed() -> UInt64
}

extension WallClock {
    /// For clocks that only a test moves.
    public func elapsed() -> UInt64 { UInt64(max(0, now().seconds)) * 1_000_000_000 }
}

/// A moment in UTC, in whole seconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Sendable, Hashable, Comparable {
    public let seconds: Int64

    public init(seconds: Int64) { self.seconds = seconds }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.seconds < b.seconds }
}
