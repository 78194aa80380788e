import Testing

@testable import ChunkStore

@Suite("MeteredStore: what is counted")
struct MeteredStoreTests {
    private let medium = FaultyStore(MemoryStore())
    private let store: MeteredStore

    /// Each look at the clock takes a millisecond, so each call takes one.
    init() { store = MeteredStore(medium, time: TestTime(step: .milliseconds(1))) }

    private func figures(_ operation: StoreOperation) throws -> CallFigures {
        try #require(store.figures[operation])
    }

    @Test(arguments: StoreOperation.allCases)
    func eachCallCountsOnceAsWhatItIs(operation: StoreOperation) throws {
        let file = try StoreCalls.prepared(store)
        let before = store.figures
        #expect(before.count == StoreOperation.allCases.count)
        try StoreCalls.call(operation, on: store, file)
        medium.arm(Fault([operation]))
        expect(.io) { try StoreCalls.call(operation, on: store, file) }
        for other in StoreOperation.allCases {
            let old = try #require(before[other])
            let new = try figures(other)
            let isMeant = other == operation
            #expect(new.calls == old.calls + (isMeant ? 2 : 0))
            #expect(new.failures == old.failures + (isMeant ? 1 : 0))
            #expect(new.time == old.time + .milliseconds(isMeant ? 2 : 0))
        }
        #expect(try figures(operation).longest == .milliseconds(1))
        #expect(store.figures.values.reduce(0) { $0 + $1.calls } == UInt64(2 + 2))
    }

    @Test func bytesAreThoseThatMoved() throws {
        let file = try store.createFile(try name("chunk"), length: 100, beginning: [1, 2, 3])
        #expect(try figures(.createFile).bytes == 3)
        try file.write([UInt8](repeating: 1, count: 70), at: 0)
        expect(.io) { try file.write([1, 1], at: 99) }
        #expect(try figures(.write).bytes == 70)
        // The end of the file comes first.
        #expect(try file.bytes(50, at: 90).count == 10)
        #expect(try figures(.read).bytes == 10)
        try store.replaceObject(try name("object"), with: [1, 2, 3, 4])
        _ = try store.readObject(try name("object"), limit: 1000)
        expect(.tooLarge) { _ = try store.readObject(try name("object"), limit: 3) }
        #expect(try figures(.replaceObject).bytes == 4)
        #expect(try figures(.readObject).bytes == 4)
        _ = try store.recycleFile(
            try name("chunk"), as: try name("next"), length: 100, beginning: [1], blank: 20)
        #expect(try figures(.recycleFile).bytes == 20)
    }

    @Test func theLongestIsKept() throws {
        let time = TestTime()
        let medium = FaultyStore(MemoryStore()) { _, name in
            time.pass(.seconds(name == "slow" ? 7 : 2))
        }
        let store = MeteredStore(medium, time: time)
        for path in ["a", "slow", "b"] { #expect(try store.list(try name(path)) == []) }
        let figures = try #require(store.figures[.list])
        #expect(figures.longest == .seconds(7))
        #expect(figures.time == .seconds(11))
    }

    @Test func manyThreadsLoseNoCall() throws {
        let file = try store.createFile(try name("chunk"), length: 8)
        inThreads(8) { thread in
            for _ in 0..<500 { try file.write([1], at: UInt64(thread)) }
        }
        let figures = try figures(.write)
        #expect(figures.calls == 4000)
        #expect(figures.bytes == 4000)
        #expect(figures.failures == 0)
        #expect(figures.time >= .milliseconds(4000))
    }

    @Test func hintsAreHandedOn() throws {
        let slow = SlowFile(try MemoryStore().createFile(try name("chunk"), length: 4))
        let meters = CallMeters(time: TestTime())
        let file = MeteredFile(slow, meters: meters)
        file.prefetch(at: 1, length: 2)
        file.forget(at: 3, length: 4)
        #expect(slow.hints.withLock { $0 } == ["prefetch 1 2", "forget 3 4"])
        var told = 0
        var byte = [UInt8](repeating: 1, count: 1)
        _ = try byte.withUnsafeMutableBytes { try file.read(into: $0, at: 0) { told += 1 } }
        #expect(told == 1)
        #expect(meters.figures[.read]?.calls == 1)
    }
}
