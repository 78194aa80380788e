import Synchronization

/// A set of a chunk's pages, changed by many threads without a lock.
final class PageSet: @unchecked Sendable {
    // @unchecked: the words never move, and are atomics.
    static let pageSize: UInt64 = 4096

    /// Pages that there may be.
    let limit: Int
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let wordCount: Int
    /// Of bits that are set; right whenever nobody changes the set.
    private let members = Atomic<Int>(0)

    init(limit: Int) {
        self.limit = limit
        wordCount = (limit + 63) / 64
        words = .allocate(capacity: max(1, wordCount))
        for index in 0..<wordCount { (words + index).initialize(to: Atomic(0)) }
    }

    deinit {
        words.deinitialize(count: wordCount)
        words.deallocate()
    }

    var count: Int { members.load(ordering: .relaxed) }

    var isEmpty: Bool {
        (0..<wordCount).allSatisfy { words[$0].load(ordering: .acquiring) == 0 }
    }

    func contains(_ page: Int) -> Bool {
        words[page / 64].load(ordering: .acquiring) & (1 << UInt64(page % 64)) != 0
    }

    func containsAll(_ pages: Range<Int>) -> Bool {
        forEachWord(of: pages) { $0.load(ordering: .acquiring) & $1 == $1 }
    }

    /// Whoever takes a page out of here reads what was written to it before. (Where it is in here
    /// already, whoever takes it does so after this looked, and a write is a call of the kernel.)
    func insert(_ pages: Range<Int>) {
        _ = forEachWord(of: pages) { word, mask in
            if word.load(ordering: .sequentiallyConsistent) & mask != mask {
                let old = word.bitwiseOr(mask, ordering: .sequentiallyConsistent).oldValue
                members.add((mask & ~old).nonzeroBitCount, ordering: .relaxed)
            }
            return true
        }
    }

    func remove(_ pages: Range<Int>) {
        _ = forEachWord(of: pages) { word, mask in
            let old = word.bitwiseAnd(~mask, ordering: .acquiringAndReleasing).oldValue
            members.subtract((mask & old).nonzeroBitCount, ordering: .relaxed)
            return true
        }
    }

    func removeAll() { remove(0..<limit) }
    func insertAll() { insert(0..<limit) }

    /// Removes the first run of pages from `page` on, at most `most` of them, and returns it.
    func takeRun(from page: Int, most: Int) -> Range<Int>? {
        guard let first = firstPage(from: page, inSet: true) else { return nil }
        let end = min(firstPage(from: first, inSet: false) ?? limit, first + most)
        remove(first..<end)
        return first..<end
    }

    /// The first run of pages within `pages` that are not in the set.
    func firstGap(in pages: Range<Int>) -> Range<Int>? {
        guard let first = firstPage(from: pages.lowerBound, inSet: false), first < pages.upperBound
        else { return nil }
        let end = min(firstPage(from: first, inSet: true) ?? limit, pages.upperBound)
        return first..<end
    }

    /// All runs, as they are at this moment.
    var runs: [Range<Int>] {
        var found: [Range<Int>] = []
        var page = 0
        while let first = firstPage(from: page, inSet: true) {
            let end = firstPage(from: first, inSet: false) ?? limit
            found.append(first..<end)
            page = end
        }
        return found
    }

    private func firstPage(from page: Int, inSet wanted: Bool) -> Int? {
        var page = page
        while page < limit {
            let value = words[page / 64].load(ordering: .acquiring)
            let bits = (wanted ? value : ~value) >> UInt64(page % 64)
            if bits != 0 {
                let found = page + bits.trailingZeroBitCount
                return found < limit ? found : nil
            }
            page = (page / 64 + 1) * 64
        }
        return nil
    }

    /// The words that hold `pages`, each with the bits that do, until `body` says no.
    private func forEachWord(
        of pages: Range<Int>, _ body: (borrowing Atomic<UInt64>, UInt64) -> Bool
    ) -> Bool {
        var page = pages.lowerBound
        while page < pages.upperBound {
            let end = min(pages.upperBound, (page / 64 + 1) * 64)
            let ones = end - page == 64 ? UInt64.max : (1 << UInt64(end - page)) - 1
            guard body(words[page / 64], ones << UInt64(page % 64)) else { return false }
            page = end
        }
        return true
    }
}

extension PageSet {
    /// The pages that a range of bytes touches.
    static func pages(_ offset: UInt64, _ count: UInt64) -> Range<Int> {
        guard count > 0 else { return 0..<0 }
        return Int(offset / pageSize)..<Int((offset + count - 1) / pageSize) + 1
    }
}
