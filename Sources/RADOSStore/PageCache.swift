import Synchronization

/// Pages of chunks out of which little was read. The entry of a slot lies apart from its body, and
/// those of its neighbours in the same page: so what a read of a block asks of the cluster is
/// mostly the body alone.
///
/// Only for who has the store: nobody else changes what is kept here.
///
/// Invariant: a page that is here was read after the last write to it had returned. A read under
/// way (`begin` to `end`) that a write has overtaken (`drop`) leaves nothing here.
final class PageCache: Sendable {
    static let pageSize: UInt64 = 4096

    private struct Page {
        var id: String
        var number: UInt64
        /// None: the place is free.
        var bytes: [UInt8]
        /// Since the hand was here last.
        var isUsed: Bool
    }

    private struct Fill {
        let id: String
        let pages: Range<UInt64>
        var isStale = false
    }

    private struct State {
        var ring: [Page] = []
        /// Where in the ring a page is, by chunk and number.
        var places: [String: [UInt64: Int]] = [:]
        var hand = 0
        var fills: [UInt64: Fill] = [:]
        var fillsBegun: UInt64 = 0
    }

    private let limit: Int
    private let state = Mutex(State())

    /// `limit` in pages; at least 1.
    init(limit: Int) { self.limit = limit }

    static func pages(of range: Range<UInt64>) -> Range<UInt64> {
        range.lowerBound / pageSize..<(range.upperBound + pageSize - 1) / pageSize
    }

    /// Whether a read of so much asks for the pages around it.
    static func isSmall(_ range: Range<UInt64>) -> Bool {
        !range.isEmpty && UInt64(range.count) < pageSize
    }

    /// Copies a range if all of it is here.
    func copy(
        _ range: Range<UInt64>, of id: String, into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard Self.isSmall(range) else { return false }
        return state.withLock { state in
            guard let places = state.places[id] else { return false }
            for number in Self.pages(of: range) {
                guard let place = places[number] else { return false }
                let start = number * Self.pageSize
                let part = range.clamped(to: start..<start + Self.pageSize)
                let bytes = state.ring[place].bytes[
                    Int(part.lowerBound - start)..<Int(part.upperBound - start)]
                UnsafeMutableRawBufferPointer(
                    rebasing: target[Int(part.lowerBound - range.lowerBound)...]
                ).copyBytes(from: bytes)
                state.ring[place].isUsed = true
            }
            return true
        }
    }

    func contains(_ range: Range<UInt64>, of id: String) -> Bool {
        let pages = Self.pages(of: range)
        return state.withLock { state in
            guard let places = state.places[id] else { return false }
            return pages.allSatisfy { places[$0] != nil }
        }
    }

    /// Before pages are read; what it returns belongs to `end`.
    func begin(_ pages: Range<UInt64>, of id: String) -> UInt64 {
        state.withLock { state in
            state.fillsBegun += 1
            state.fills[state.fillsBegun] = Fill(id: id, pages: pages)
            return state.fillsBegun
        }
    }

    /// What was read of the pages, the last one perhaps shorter; nil: nothing was.
    func end(_ fill: UInt64, _ bytes: UnsafeRawBufferPointer?) {
        state.withLock { state in
            guard let fill = state.fills.removeValue(forKey: fill), !fill.isStale, let bytes
            else { return }
            for (index, number) in fill.pages.enumerated() {
                let start = index * Int(Self.pageSize)
                let page = bytes[start..<min(start + Int(Self.pageSize), bytes.count)]
                insert(
                    Page(id: fill.id, number: number, bytes: Array(page), isUsed: false),
                    into: &state)
            }
        }
    }

    /// A range was changed, or is to be read from the cluster the next time.
    func drop(_ range: Range<UInt64>, of id: String) {
        let pages = Self.pages(of: range)
        state.withLock { state in
            for (key, fill) in state.fills where fill.id == id && fill.pages.overlaps(pages) {
                state.fills[key]?.isStale = true
            }
            guard let places = state.places[id] else { return }
            if places.count < pages.count {
                for number in places.keys where pages.contains(number) {
                    remove(number, of: id, from: &state)
                }
            } else {
                for number in pages where places[number] != nil {
                    remove(number, of: id, from: &state)
                }
            }
        }
    }

    /// All of it: another may have had the store.
    func dropAll() {
        state.withLock { state in
            for key in state.fills.keys { state.fills[key]?.isStale = true }
            state.ring = []
            state.places = [:]
            state.hand = 0
        }
    }

    private func insert(_ page: Page, into state: inout State) {
        remove(page.number, of: page.id, from: &state)
        if state.ring.count < limit {
            state.places[page.id, default: [:]][page.number] = state.ring.count
            state.ring.append(page)
            return
        }
        // Whoever was used since the hand's last round is spared once.
        while state.ring[state.hand].isUsed {
            state.ring[state.hand].isUsed = false
            state.hand = (state.hand + 1) % limit
        }
        let old = state.ring[state.hand]
        if !old.bytes.isEmpty { remove(old.number, of: old.id, from: &state) }
        state.ring[state.hand] = page
        state.places[page.id, default: [:]][page.number] = state.hand
        state.hand = (state.hand + 1) % limit
    }

    private func remove(_ number: UInt64, of id: String, from state: inout State) {
        guard let place = state.places[id]?.removeValue(forKey: number) else { return }
        if state.places[id]?.isEmpty == true { state.places[id] = nil }
        state.ring[place].bytes = []
        state.ring[place].isUsed = false
    }
}
