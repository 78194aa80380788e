import Synchronization
import Testing

@testable import ChunkStore

@Suite("PacedStore: no more in a second than was said")
struct PacedStoreTests {
    private let time = TestTime()

    private func pace(_ perSecond: UInt64, burst: UInt64) throws -> Pace {
        try #require(Pace(perSecond: perSecond, burst: burst))
    }

    private func store(bytes: Pace? = nil, calls: Pace? = nil) -> PacedStore {
        PacedStore(MemoryStore(), bytes: bytes, calls: calls, time: time)
    }

    @Test(arguments: StoreOperation.allCases)
    func eachCallTakesItsTurn(operation: StoreOperation) throws {
        let store = store(calls: try pace(2, burst: 2))
        let file = try StoreCalls.prepared(store)
        #expect(time.sleeps == [], "so many may come at once")
        try StoreCalls.call(operation, on: store, file)
        #expect(time.sleeps == [.seconds(0.5)])
        time.pass(.seconds(1000))
        for _ in 0..<3 { _ = try store.capacity() }
        #expect(time.sleeps == [.seconds(0.5), .seconds(0.5)], "a pause saves a burst, no more")
    }

    @Test func bytesTakeTheirTime() throws {
        let store = store(bytes: try pace(100, burst: 50))
        let file = try store.createFile(try name("chunk"), length: 1000, beginning: [1, 2, 3, 4])
        try file.write([UInt8](repeating: 1, count: 46), at: 0)
        #expect(time.sleeps == [])
        try file.write([UInt8](repeating: 1, count: 25), at: 0)
        #expect(time.sleeps == [.seconds(0.25)])
        _ = try file.bytes(10)
        try store.replaceObject(try name("object"), with: [UInt8](repeating: 1, count: 20))
        #expect(time.sleeps.dropFirst() == [.seconds(0.1), .seconds(0.2)])
        // Of an object nobody knows the size before it is there.
        _ = try store.readObject(try name("object"), limit: 1000)
        #expect(time.sleeps.count == 3)
        try file.write([1], at: 0)
        #expect(time.sleeps.last == .seconds(0.21))
        // What moves no bytes waits only for what was taken before.
        time.pass(.seconds(10))
        try file.synchronize()
        _ = try store.list(try name("a"))
        #expect(time.sleeps.count == 4)
    }

    @Test func whatIsMoreThanABurstWaitsForItsRest() throws {
        let store = store(bytes: try pace(100, burst: 50))
        let file = try store.createFile(try name("chunk"), length: 1000)
        try file.write([UInt8](repeating: 1, count: 250), at: 0)
        #expect(time.sleeps == [.seconds(2)])
        try file.write([1], at: 0)
        #expect(time.sleeps == [.seconds(2), .seconds(0.01)])
    }

    @Test func withoutAPaceNobodyWaits() throws {
        let store = store()
        let file = try StoreCalls.prepared(store)
        for _ in 0..<100 { try file.write([UInt8](repeating: 1, count: 10), at: 0) }
        #expect(time.sleeps == [])
        #expect(Pace(perSecond: 0, burst: 1) == nil)
        #expect(Pace(perSecond: 1, burst: 0) == nil)
    }

    /// Within every span of time what begins is at most the burst and what the span brings.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func noSpanBringsMore(seed: UInt64) throws {
        let begun = Mutex<[(at: Duration, bytes: Int)]>([])
        let size = Atomic<Int>(0)
        let time = self.time
        let medium = FaultyStore(MemoryStore()) { operation, _ in
            guard operation == .write else { return }
            begun.withLock { $0.append((time.now(), size.load(ordering: .relaxed))) }
        }
        let store = PacedStore(
            medium, bytes: try pace(1000, burst: 300), calls: try pace(20, burst: 5), time: time)
        let file = try store.createFile(try name("chunk"), length: 300)
        var random = seed
        for _ in 0..<200 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let count = Int(random >> 33 % 300)
            size.store(count, ordering: .relaxed)
            try file.write([UInt8](repeating: 1, count: count), at: 0)
            if random >> 60 == 0 { time.pass(.milliseconds(Int64(random >> 40 % 2000))) }
        }
        let calls = begun.withLock { $0 }
        #expect(calls.count == 200)
        for first in calls.indices {
            var bytes = 0
            for last in first..<calls.count {
                bytes += calls[last].bytes
                let span = (calls[last].at - calls[first].at) / .seconds(1)
                // A millionth for what a number in base two cannot say.
                #expect(Double(bytes) <= 300 + span * 1000 + 1e-3)
                #expect(Double(last - first + 1) <= 5 + span * 20 + 1e-3)
            }
        }
        #expect(!time.sleeps.isEmpty)
    }

    @Test func hintsNeverWait() throws {
        let slow = SlowFile(try MemoryStore().createFile(try name("chunk"), length: 100))
        let pacer = Pacer(bytes: try pace(100, burst: 50), calls: nil, time: time)
        let file = PacedFile(slow, pacer: pacer)
        file.prefetch(at: 0, length: 40)
        file.prefetch(at: 40, length: 11)
        file.forget(at: 3, length: 4)
        file.prefetch(at: 40, length: 10)
        let expected = ["prefetch 0 40", "forget 3 4", "prefetch 40 10"]
        #expect(slow.hints.withLock { $0 } == expected)
        #expect(time.sleeps == [])
        var told = 0
        var bytes = [UInt8](repeating: 1, count: 10)
        _ = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) { told += 1 } }
        #expect(told == 1)
        #expect(time.sleeps == [.seconds(0.1)])
    }

    @Test func manyThreadsShareOnePace() throws {
        let store = store(calls: try pace(1, burst: 1))
        inThreads(4) { _ in
            for _ in 0..<25 { _ = try store.capacity() }
        }
        // A hundred calls take a hundred tokens, whoever makes them.
        _ = try store.capacity()
        #expect(time.sleeps.reduce(.zero, +) >= .seconds(99))
    }
}
