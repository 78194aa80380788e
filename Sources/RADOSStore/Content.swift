import ChunkStore
import Synchronization

/// The bytes of one chunk, shared by all who have it open. They stay until the last of these has
/// closed it, also when its name is gone.
final class Content: Sendable {
    /// Reads ahead that may wait to be asked for, and the longest of them.
    private static let prefetches = 8
    private static let prefetchLength: UInt64 = 1 << 20

    let pieces: Pieces
    private let journal: Journal
    private let state = Mutex(State())

    private struct State {
        /// What was deallocated and not written since, as far as this process knows.
        var holes = RangeSet()
        /// Invariant: none was begun before a write to its range returned that has returned by now.
        var prefetches: [Prefetch] = []
        var isRemoved = false
    }

    init(_ pieces: Pieces, journal: Journal) {
        self.pieces = pieces
        self.journal = journal
    }

    deinit {
        let (prefetches, isRemoved) = state.withLock { ($0.prefetches, $0.isRemoved) }
        // The session must not end before them.
        for prefetch in prefetches { prefetch.wait() }
        // The journal still has it: who takes the store next tries again.
        if isRemoved { try? journal.discard(pieces, "remove \(pieces.id)") }
    }

    func markRemoved() { state.withLock { $0.isRemoved = true } }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, _ operation: String
    ) throws(StoreError) {
        let range = offset..<(offset + UInt64(buffer.count))
        let ready = state.withLock { state -> Prefetch? in
            let index = state.prefetches.firstIndex {
                $0.range.lowerBound <= range.lowerBound && range.upperBound <= $0.range.upperBound
            }
            return index.map { state.prefetches.remove(at: $0) }
        }
        if let ready, ready.copy(range, into: buffer) { return }
        try pieces.read(into: buffer, at: offset, operation)
    }

    func write(
        _ buffer: UnsafeRawBufferPointer, at offset: UInt64, _ operation: String
    ) throws(StoreError) {
        let range = offset..<(offset + UInt64(buffer.count))
        // Also what failed may have been written.
        defer { changed(range) { $0.remove(range) } }
        try pieces.write(buffer, at: offset, operation)
    }

    func deallocate(_ range: Range<UInt64>, _ operation: String) throws(StoreError) {
        defer { forget(range) }
        try pieces.deallocate(range, operation)
        state.withLock { $0.holes.insert(range) }
    }

    private func changed(_ range: Range<UInt64>, _ body: (inout RangeSet) -> Void) {
        let dropped = state.withLock { state in
            body(&state.holes)
            return Self.take(range, from: &state)
        }
        withExtendedLifetime(dropped) {}
    }

    func prefetch(_ range: Range<UInt64>) {
        for part in pieces.parts(of: range) where UInt64(part.count) <= Self.prefetchLength {
            let dropped = state.withLock { state -> [Prefetch] in
                // Under the lock: a write that returns from now on will find it.
                guard let prefetch = Prefetch(part, in: pieces.session) else { return [] }
                state.prefetches.append(prefetch)
                let surplus = max(0, state.prefetches.count - Self.prefetches)
                defer { state.prefetches.removeFirst(surplus) }
                return Array(state.prefetches.prefix(surplus))
            }
            withExtendedLifetime(dropped) {}
        }
    }

    func forget(_ range: Range<UInt64>) {
        let dropped = state.withLock { Self.take(range, from: &$0) }
        withExtendedLifetime(dropped) {}
    }

    private static func take(_ range: Range<UInt64>, from state: inout State) -> [Prefetch] {
        let dropped = state.prefetches.filter { $0.range.overlaps(range) }
        state.prefetches.removeAll { $0.range.overlaps(range) }
        return dropped
    }

    /// At most what the cluster keeps of it, without copies.
    func allocated(_ operation: String) throws(StoreError) -> UInt64 {
        let sizes = try pieces.sizes(operation)
        return state.withLock { state in
            sizes.reduce(0) { $0 + UInt64($1.count) - state.holes.count(in: $1) }
        }
    }
}
