import ChunkStore
import ServerFixtures
import Testing

@testable import RADOSStore

@Suite("RADOSStore: pages that are kept")
struct PageCacheTests {
    private let pageSize = PageCache.pageSize

    /// As a read of the cluster that gives pages of one value.
    private func fill(_ cache: PageCache, _ pages: Range<UInt64>, with value: UInt8) {
        let fill = cache.begin(pages, of: "a")
        end(cache, fill, pages.count, value)
    }

    private func end(_ cache: PageCache, _ fill: UInt64, _ count: Int, _ value: UInt8) {
        [UInt8](repeating: value, count: count * Int(pageSize)).withUnsafeBytes {
            cache.end(fill, $0)
        }
    }

    /// nil: it is not there.
    private func bytes(
        _ cache: PageCache, _ range: Range<UInt64>, of id: String = "a"
    ) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0xEE, count: range.count)
        let isThere = bytes.withUnsafeMutableBytes { cache.copy(range, of: id, into: $0) }
        return isThere ? bytes : nil
    }

    @Test func whatWasReadIsThereUntilItChanges() {
        let cache = PageCache(limit: 10)
        #expect(bytes(cache, 0..<32) == nil)
        fill(cache, 0..<1, with: 1)
        fill(cache, 1..<2, with: 2)
        #expect(bytes(cache, 4094..<4098) == [1, 1, 2, 2])
        #expect(bytes(cache, 0..<32, of: "b") == nil)
        #expect(bytes(cache, 8190..<8194) == nil)
        cache.drop(5000..<5001, of: "b")
        #expect(bytes(cache, 4094..<4098) == [1, 1, 2, 2])
        cache.drop(5000..<5001, of: "a")
        #expect(bytes(cache, 4094..<4098) == nil)
        #expect(bytes(cache, 0..<2) == [1, 1])
        #expect(cache.contains(0..<2, of: "a"))
        // Far more pages than there are.
        cache.drop(0..<1 << 30, of: "a")
        #expect(!cache.contains(0..<2, of: "a"))
        fill(cache, 3..<4, with: 3)
        #expect(bytes(cache, 3 * 4096..<3 * 4096 + 1) == [3])
        cache.dropAll()
        #expect(bytes(cache, 3 * 4096..<3 * 4096 + 1) == nil)
    }

    /// It may hold what was there before.
    @Test func aReadThatAWriteOvertookLeavesNothing() {
        let cache = PageCache(limit: 10)
        let (first, second) = (cache.begin(0..<2, of: "a"), cache.begin(2..<3, of: "a"))
        cache.drop(5000..<5010, of: "a")
        end(cache, first, 2, 1)
        end(cache, second, 1, 2)
        #expect(bytes(cache, 0..<1) == nil)
        #expect(bytes(cache, 8192..<8193) == [2])
        let third = cache.begin(0..<1, of: "a")
        cache.dropAll()
        end(cache, third, 1, 3)
        #expect(bytes(cache, 0..<1) == nil)
    }

    @Test func noMoreIsKeptThanTheLimit() {
        let cache = PageCache(limit: 4)
        for page in 0..<4 as Range<UInt64> { fill(cache, page..<page + 1, with: UInt8(page)) }
        #expect(bytes(cache, 0..<1) == [0])
        cache.drop(3 * pageSize..<3 * pageSize + 1, of: "a")
        for page in 4..<6 as Range<UInt64> { fill(cache, page..<page + 1, with: UInt8(page)) }
        // The first was used, so it is spared.
        #expect(bytes(cache, 0..<1) == [0])
        let kept = (0..<6 as Range<UInt64>).filter { page in
            bytes(cache, page * pageSize..<page * pageSize + 1) == [UInt8(page)]
        }
        #expect(kept.count <= 4)
        #expect(kept.suffix(2) == [4, 5])
        for page in 0..<100 as Range<UInt64> { fill(cache, page..<page + 1, with: UInt8(page)) }
        #expect(bytes(cache, 99 * pageSize..<99 * pageSize + 1) == [99])
    }

    /// Entries of one page, each written and read by a thread of its own, while all others read the
    /// page into memory.
    @Test func aReadTellsWhatWasWrittenBefore() throws {
        let store = try CephCluster.shared.get().store()
        let file = try store.createFile(try name("chunk"), length: 1 << 20)
        inThreads(8) { thread in
            let offset = UInt64(32 * thread)
            for round in 1...100 {
                let entry = [UInt8](repeating: UInt8(round), count: 32)
                try file.write(entry, at: offset)
                #expect(try file.bytes(32, at: offset) == entry)
            }
            try file.deallocate(at: offset, length: 32)
            #expect(try file.bytes(32, at: offset) == [UInt8](repeating: 0, count: 32))
        }
    }
}
