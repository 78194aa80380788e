/// The buckets of a `PacedStore`, and the clock by which they fill.
struct Pacer: Sendable {
    private let bytes: Bucket?
    private let calls: Bucket?
    private let time: any StoreTime

    init(bytes: Pace?, calls: Pace?, time: any StoreTime) {
        self.bytes = bytes.map(Bucket.init)
        self.calls = calls.map(Bucket.init)
        self.time = time
    }

    /// Waits until a call that moves so many bytes may begin.
    func begin(bytes count: Int = 0) {
        let now = time.now()
        let wait = max(
            calls?.take(1, at: now) ?? .zero, bytes?.take(UInt64(count), at: now) ?? .zero)
        if wait > .zero { time.sleep(for: wait) }
    }

    /// So many bytes were moved by a call that could not tell beforehand: later calls wait for it.
    func moved(bytes count: Int) {
        _ = bytes?.take(UInt64(count), at: time.now())
    }

    /// Whether a hint of so many bytes may be followed now; it takes what it uses.
    func mayHint(bytes count: UInt64) -> Bool {
        bytes?.takeAtOnce(count, at: time.now()) ?? true
    }
}
