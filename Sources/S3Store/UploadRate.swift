import Scheduling

/// How fast uploads go, all threads together, as the last ones went.
///
/// Invariant: after one that failed nothing is known until another has succeeded.
struct UploadRate {
    /// So long a time makes a sample, also while uploads go on.
    private static let longest = Duration.seconds(1)

    /// Bytes a second; nil if it is not known.
    private(set) var bytesPerSecond: Double?
    /// Fewer bytes say more about the server's answering than about its taking.
    private let least: UInt64
    private var underWay = 0
    private var start = Duration.zero
    private var bytes: UInt64 = 0

    init(least: UInt64) { self.least = least }

    mutating func begin(at now: Duration) {
        if underWay == 0 { (start, bytes) = (now, 0) }
        underWay += 1
    }

    mutating func end(bytes count: UInt64, at now: Duration) {
        underWay -= 1
        bytes += count
        let span = now - start
        guard bytes >= least, span > .zero, underWay == 0 || span >= Self.longest else {
            return
        }
        let sample = Double(bytes) / (Double(span.wholeNanoseconds) / 1e9)
        bytesPerSecond = bytesPerSecond.map { ($0 + sample) / 2 } ?? sample
        (start, bytes) = (now, 0)
    }

    mutating func fail() {
        underWay -= 1
        bytesPerSecond = nil
    }
}
