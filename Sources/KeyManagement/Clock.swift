/// Wall-clock time, for what people read (creation times, the key-use log) and never for ordering.
public protocol WallClock: Sendable {
    func now() -> Timestamp
}

/// A moment in UTC, in whole seconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Sendable, Hashable, Comparable {
    public let seconds: Int64

    public init(seconds: Int64) { self.seconds = seconds }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.seconds < b.seconds }
}
