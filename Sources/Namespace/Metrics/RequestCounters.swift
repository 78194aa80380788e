import Synchronization

/// What is counted of one kind of request: how many, their bytes, their failures, and how long
/// they took, in classes.
///
/// A request costs four additions to memory that hardly anybody else uses, and two looks at the
/// clock; nothing is locked, and readers see each number for itself.
final class RequestCounters: @unchecked Sendable {
    // @unchecked: the classes are atomics at a place that never moves, freed with the object.

    /// The longest time of the first class, in nanoseconds; each class reaches twice as far as the
    /// one before it, the last is without an end.
    static let firstBound: UInt64 = 16_000
    /// 16 µs to 16.8 s.
    static let boundCount = 21

    private let begun = Atomic<UInt64>(0)
    private let bytes = Atomic<UInt64>(0)
    private let failures = Atomic<UInt64>(0)
    private let nanoseconds = Atomic<UInt64>(0)
    private let classes: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        classes = .allocate(capacity: Self.boundCount + 1)
        for index in 0...Self.boundCount { (classes + index).initialize(to: Atomic(0)) }
    }

    deinit {
        classes.deinitialize(count: Self.boundCount + 1)
        classes.deallocate()
    }

    /// A request that was begun and has to be ended.
    struct Begun: Sendable {
        fileprivate let start: UInt64
    }

    func begin() -> Begun {
        begun.add(1, ordering: .relaxed)
        return Begun(start: monotonicNanoseconds())
    }

    /// It did what it was to do, with so many bytes. Gives how long it took, in nanoseconds.
    @discardableResult
    func end(_ request: Begun, bytes count: Int) -> UInt64 {
        bytes.add(UInt64(count), ordering: .relaxed)
        return took(monotonicNanoseconds() - request.start)
    }

    @discardableResult
    func fail(_ request: Begun) -> UInt64 {
        failures.add(1, ordering: .relaxed)
        return took(monotonicNanoseconds() - request.start)
    }

    /// Counts what `body` does as a request of so many bytes.
    @inline(__always)
    func counting<R, E: Error>(bytes: Int, _ body: () throws(E) -> R) throws(E) -> R {
        let request = begin()
        do throws(E) {
            let result = try body()
            end(request, bytes: bytes)
            return result
        } catch {
            fail(request)
            throw error
        }
    }

    private func took(_ time: UInt64) -> UInt64 {
        nanoseconds.add(time, ordering: .relaxed)
        classes[Self.index(ofClassFor: time)].add(1, ordering: .relaxed)
        return time
    }

    /// The first class that reaches so far.
    static func index(ofClassFor time: UInt64) -> Int {
        let steps = (max(time, 1) - 1) / firstBound
        return min(UInt64.bitWidth - steps.leadingZeroBitCount, boundCount)
    }

    /// The numbers of a moment.
    struct Counts: Sendable {
        var begun: UInt64 = 0
        var bytes: UInt64 = 0
        var failures: UInt64 = 0
        var nanoseconds: UInt64 = 0
        /// Requests in each class, shortest times first.
        var classes: [UInt64] = []

        /// Requests that have ended.
        var ended: UInt64 { classes.reduce(0, +) }
        var inFlight: UInt64 { begun - min(begun, ended) }
    }

    var counts: Counts {
        // What has ended is read first: no request has ended that had not begun.
        let ended = (0...Self.boundCount).map { classes[$0].load(ordering: .relaxed) }
        return Counts(
            begun: begun.load(ordering: .relaxed), bytes: bytes.load(ordering: .relaxed),
            failures: failures.load(ordering: .relaxed),
            nanoseconds: nanoseconds.load(ordering: .relaxed), classes: ended)
    }
}
