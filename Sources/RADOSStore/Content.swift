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
    private let writes: GroupedWrites
    /// nil of a store that others may change.
    private let pages: PageCache?
    private let pageKey: String
    /// What others may change is fetched when it is read, not before.
    private let isOthers: Bool
    private let state = Mutex(State())

    private struct State {
        /// What was deallocated and not written since, as far as this process knows.
        var holes = RangeSet()
        /// Invariant: none was begun before a write to its range returned that has returned by now.
        var prefetches: [Prefetch] = []
        var isRemoved = false
    }

    init(
        _ pieces: Pieces, journal: Journal, pages: PageCache?, pageKey: String, isOthers: Bool
    ) {
        self.pieces = pieces
        self.journal = journal
        self.pages = pages
        self.pageKey = pageKey
        self.isOthers = isOthers
        writes = GroupedWrites(pieces.session)
    }

    deinit {
        let (prefetches, isRemoved) = state.withLock { ($0.prefetches, $0.isRemoved) }
        // The session must not end before them.
        for prefetch in prefetches { prefetch.wait() }
        // The journal still has it: who takes the store next tries again.
        if isRemoved { try? journal.discard(pieces, "remove \(pieces.id)") }
    }

    func markRemoved() { state.withLock { $0.isRemoved = true } }

    /// Calls `beforeWaiting` unless all of it is here.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, _ operation: String,
        beforeWaiting: () -> Void = {}
    ) throws(StoreError) {
        let range = offset..<(offset + UInt64(buffer.count))
        if let pages, pages.copy(range, of: pageKey, into: buffer) { return }
        beforeWaiting()
        let ready = state.withLock { state -> Prefetch? in
            let index = state.prefetches.firstIndex {
                $0.range.lowerBound <= range.lowerBound && range.upperBound <= $0.range.upperBound
            }
            return index.map { state.prefetches.remove(at: $0) }
        }
        if let ready, ready.copy(range, into: buffer) { return }
        if let pages, PageCache.isSmall(range) {
            return try read(range, by: pages, into: buffer, operation)
        }
        try pieces.read(into: buffer, at: offset, operation)
    }

    /// Reads the pages around a range, and keeps them.
    private func read(
        _ range: Range<UInt64>, by pages: PageCache, into buffer: UnsafeMutableRawBufferPointer,
        _ operation: String
    ) throws(StoreError) {
        let numbers = PageCache.pages(of: range)
        let start = numbers.lowerBound * PageCache.pageSize
        let end = min(numbers.upperBound * PageCache.pageSize, pieces.length)
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(end - start), alignment: 16)
        defer { room.deallocate() }
        let fill = pages.begin(numbers, of: pageKey)
        do throws(StoreError) {
            try pieces.read(into: room, at: start, operation)
        } catch {
            pages.end(fill, nil)
            throw error
        }
        pages.end(fill, UnsafeRawBufferPointer(room))
        buffer.copyMemory(
            from: UnsafeRawBufferPointer(
                rebasing: room[Int(range.lowerBound - start)..<Int(range.upperBound - start)]))
    }

    /// Bytes and where they go within the chunk.
    struct Placed {
        let bytes: UnsafeRawBufferPointer
        let offset: UInt64
        var range: Range<UInt64> { offset..<(offset + UInt64(bytes.count)) }
    }

    /// Writes all of them, at the same time. Precondition: none overlaps another.
    func write(_ placed: [Placed], _ operation: String) throws(StoreError) {
        let parts = placed.flatMap { placed in
            pieces.parts(of: placed.range).map { part in
                GroupedWrites.Part(
                    object: part.object, offset: part.offset,
                    bytes: UnsafeRawBufferPointer(
                        rebasing: placed.bytes[part.start..<(part.start + part.count)]))
            }
        }
        // Also what failed may have been written.
        defer {
            for each in placed { changed(each.range) { $0.remove(each.range) } }
        }
        try check(try pieces.session.change(operation) { writes.write(parts) }, operation)
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
        pages?.drop(range, of: pageKey)
    }

    func prefetch(_ range: Range<UInt64>) {
        if isOthers { return }
        if let pages, PageCache.isSmall(range), pages.contains(range, of: pageKey) { return }
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
        changed(range) { _ in }
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
