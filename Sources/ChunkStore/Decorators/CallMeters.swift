/// A meter for each kind of call, and the clock that they share.
struct CallMeters: Sendable {
    private let meters: [StoreOperation: CallMeter]
    private let time: any StoreTime

    init(time: any StoreTime) {
        self.time = time
        meters = Dictionary(
            uniqueKeysWithValues: StoreOperation.allCases.map { ($0, CallMeter()) })
    }

    var figures: [StoreOperation: CallFigures] { meters.mapValues(\.figures) }

    /// Makes a call that moves so many bytes, and counts it.
    func count<R>(
        _ operation: StoreOperation, bytes: Int = 0, _ body: () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        try count(operation, bytesOf: { _ in bytes }, body)
    }

    /// Makes a call whose result says how many bytes it moved, and counts it.
    func count<R>(
        _ operation: StoreOperation, bytesOf: (R) -> Int, _ body: () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let start = time.now()
        let result: R
        do throws(StoreError) {
            result = try body()
        } catch {
            meters[operation]?.count(bytes: nil, in: time.now() - start)
            throw error
        }
        meters[operation]?.count(bytes: bytesOf(result), in: time.now() - start)
        return result
    }
}
