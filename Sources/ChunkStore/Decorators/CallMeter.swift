import Synchronization

/// What was counted of one kind of call.
public struct CallFigures: Sendable, Hashable {
    /// Calls that ended, failed ones among them.
    public var calls: UInt64 = 0
    public var failures: UInt64 = 0
    /// What was read or written by calls that did not fail.
    public var bytes: UInt64 = 0
    /// How long all of them took, and the one that took longest.
    public var time: Duration = .zero
    public var longest: Duration = .zero
}

/// Counts the calls of one kind.
///
/// Invariant: each figure is exact for itself. Who reads while calls end may see a call in one
/// figure and not yet in the next.
final class CallMeter: Sendable {
    private let calls = Atomic<UInt64>(0)
    private let failures = Atomic<UInt64>(0)
    private let bytes = Atomic<UInt64>(0)
    private let nanoseconds = Atomic<UInt64>(0)
    private let longest = Atomic<UInt64>(0)

    /// A call has ended; `count` is nil if it failed.
    func count(bytes count: Int?, in time: Duration) {
        let taken = Self.nanoseconds(time)
        calls.wrappingAdd(1, ordering: .relaxed)
        if let count {
            bytes.wrappingAdd(UInt64(count), ordering: .relaxed)
        } else {
            failures.wrappingAdd(1, ordering: .relaxed)
        }
        nanoseconds.wrappingAdd(taken, ordering: .relaxed)
        longest.max(taken, ordering: .relaxed)
    }

    var figures: CallFigures {
        CallFigures(
            calls: calls.load(ordering: .relaxed), failures: failures.load(ordering: .relaxed),
            bytes: bytes.load(ordering: .relaxed),
            time: .nanoseconds(Int64(clamping: nanoseconds.load(ordering: .relaxed))),
            longest: .nanoseconds(Int64(clamping: longest.load(ordering: .relaxed))))
    }

    private static func nanoseconds(_ time: Duration) -> UInt64 {
        let (seconds, attoseconds) = time.components
        return UInt64(clamping: seconds) &* 1_000_000_000
            &+ UInt64(clamping: attoseconds / 1_000_000_000)
    }
}
