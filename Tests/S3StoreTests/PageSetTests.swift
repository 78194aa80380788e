import Testing

@testable import S3Store

@Suite("S3: sets of pages")
struct PageSetTests {
    @Test(arguments: [1, 63, 64, 65, 8258])
    func runsAreTakenInOrder(limit: Int) {
        let set = PageSet(limit: limit)
        #expect(set.isEmpty)
        set.insertAll()
        #expect(set.count == limit)
        var page = 0
        while let run = set.takeRun(from: page, most: 50) {
            #expect(run.lowerBound == page)
            page = run.upperBound
        }
        #expect(page == limit)
        #expect(set.isEmpty)
    }

    @Test func gapsAndRunsAreFoundAcrossWords() {
        let set = PageSet(limit: 300)
        set.insert(10..<20)
        set.insert(60..<130)
        set.insert(299..<300)
        #expect(set.runs == [10..<20, 60..<130, 299..<300])
        #expect(set.firstGap(in: 10..<70) == 20..<60)
        #expect(set.firstGap(in: 60..<130) == nil)
        #expect(set.firstGap(in: 250..<300) == 250..<299)
        #expect(set.containsAll(60..<130))
        #expect(!set.containsAll(59..<130))
        set.remove(100..<101)
        #expect(set.runs == [10..<20, 60..<100, 101..<130, 299..<300])
        #expect(set.takeRun(from: 15, most: 2) == 15..<17)
        #expect(set.count == 10 - 2 + 69 + 1)
    }

    @Test func bytesTouchPages() {
        #expect(PageSet.pages(0, 1) == 0..<1)
        #expect(PageSet.pages(4095, 2) == 0..<2)
        #expect(PageSet.pages(8192, 4096) == 2..<3)
        #expect(PageSet.pages(100, 0).isEmpty)
    }
}
