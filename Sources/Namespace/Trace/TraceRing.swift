import Synchronization

/// The latest requests that a reader of a trace has not taken yet. A full ring gives up its oldest
/// and counts them: whoever serves the kernel never waits for a reader.
final class TraceRing: Sendable {
    /// Records; 640 KiB.
    static let capacity = 16_384

    /// What a reader gets, in this order.
    struct Part: Sendable {
        /// Requests before the records that are lost.
        var lost: UInt64 = 0
        var records: [TraceRecord] = []
        /// No more will come, and why.
        var end: String?
    }

    private struct State {
        /// Grows up to the capacity, then goes round.
        var records: [TraceRecord] = []
        var first = 0
        var count = 0
        var lost: UInt64 = 0
        var end: String?
        var hasToldEnd = false
    }

    private let state = Mutex(State())

    /// Nothing after the end.
    func add(_ record: TraceRecord) {
        state.withLock { state in
            guard state.end == nil else { return }
            if state.records.count < Self.capacity {
                state.records.append(record)
                state.count += 1
                return
            }
            state.records[(state.first + state.count) % Self.capacity] = record
            if state.count < Self.capacity {
                state.count += 1
            } else {
                state.first = (state.first + 1) % Self.capacity
                state.lost += 1
            }
        }
    }

    func end(_ reason: String) {
        state.withLock { $0.end = $0.end ?? reason }
    }

    /// Gives up to so many records away, the oldest first; the end once, after all others.
    func take(_ limit: Int) -> Part {
        state.withLock { state in
            var part = Part(lost: state.lost)
            state.lost = 0
            let count = min(limit, state.count)
            part.records.reserveCapacity(count)
            for index in 0..<count {
                part.records.append(state.records[(state.first + index) % Self.capacity])
            }
            state.first = (state.first + count) % Self.capacity
            state.count -= count
            if state.count == 0, !state.hasToldEnd, let end = state.end {
                state.hasToldEnd = true
                part.end = end
            }
            // While it has not gone round, places behind `first` are not used again.
            if state.count == 0, state.records.count < Self.capacity {
                state.records.removeAll(keepingCapacity: true)
                state.first = 0
            }
            return part
        }
    }
}
