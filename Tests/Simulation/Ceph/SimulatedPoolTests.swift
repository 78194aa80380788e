import ChunkStore
import Testing

/// That the model of a pool keeps the rules by which a world judges, and that a world notices when
/// it does not.
@Suite struct SimulatedPoolTests {
    // Constants of valid form.
    private static let folder = ObjectName("lineages/a")!
    private static let file = ObjectName("lineages/a/chunks/1.chunk")!
    private static let record = ObjectName("lineages/a/record")!
    private static let length: UInt64 = 40_000

    /// A pool, and two hosts that reach it.
    private final class Fixture: @unchecked Sendable {
        // @unchecked: used by who has the scheduler's turn.
        let scheduler: Scheduler
        let pool: SimulatedPool
        let hosts: [SimulatedHost]
        private var failure: (any Error)?

        init(seed: UInt64, quota: Int = 1 << 30, pieceSize: Int = 8192) {
            scheduler = Scheduler(seed: seed)
            let seals = SealRegistry()
            pool = SimulatedPool(
                scheduler: scheduler, seed: seed, seals: seals,
                contents: PoolContents(pieceSize: pieceSize, quota: quota),
                timeout: 1_000_000, term: 3_000_000)
            hosts = (0..<2).map { [scheduler] number in
                SimulatedHost(
                    scheduler: scheduler, seed: seed + UInt64(number), capacity: 1 << 20,
                    seals: seals)
            }
        }

        func run(_ body: @escaping @Sendable (Fixture) throws -> Void) throws {
            let end = scheduler.run {
                do { try body(self) } catch { self.failure = error }
            }
            if let failure { throw failure }
            #expect(end == .completed)
        }

        func store(on host: Int) -> PoolStore { PoolStore(pool, on: hosts[host]) }

        /// A store that has joined and has the folder.
        func owner(on host: Int, isFencing: Bool = false) throws -> PoolStore {
            let store = self.store(on: host)
            _ = try store.join(holder: "host \(host)")
            _ = try store.takeFolder(
                SimulatedPoolTests.folder, holder: "host \(host)", isFencing: isFencing)
            return store
        }
    }

    private static func write(_ byte: UInt8, to file: any ChunkFile) throws {
        let bytes = [UInt8](repeating: byte, count: Int(length))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    }

    private static func read(_ store: PoolStore) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(length))
        let file = try store.openFile(file)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        return Array(bytes.prefix(count))
    }

    private static func code(_ body: () throws -> Void) -> StoreError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? StoreError)?.code
        }
    }

    @Test func whatWasAcknowledgedSurvivesEveryHost() throws {
        for crash in [SimulatedHost.Crash.kill, .powerLoss] {
            try Fixture(seed: 1).run { fixture in
                let file = try fixture.owner(on: 0).createFile(Self.file, length: Self.length)
                try Self.write(7, to: file)
                fixture.hosts[0].crash(crash)
                let found = try Self.read(fixture.store(on: 1))
                #expect(found == [UInt8](repeating: 7, count: Int(Self.length)))
            }
        }
    }

    /// What a client asked for without an answer may come later, piece by piece, until it is
    /// refused; and never after that.
    @Test func whatIsLateComesUntilItsClientIsRefused() throws {
        var (beforeTaking, inPart, wholeOrNothing) = (0, 0, 0)
        for seed: UInt64 in 1...60 {
            let found = Found()
            try Fixture(seed: seed).run { fixture in
                let store = try fixture.owner(on: 0)
                let file = try store.createFile(Self.file, length: Self.length)
                try Self.write(1, to: file)
                fixture.pool.rates.unanswered = 2
                let code = Self.code { try Self.write(2, to: file) }
                fixture.pool.rates.unanswered = 0
                guard code != nil else { return }
                #expect(code == .fenced)
                #expect(Self.code { try Self.write(3, to: file) } == .fenced)
                #expect(Self.code { try file.synchronize() } == .fenced)
                found.states.append(try Self.read(store))
                let next = try fixture.owner(on: 1, isFencing: true)
                found.states.append(try Self.read(next))
                fixture.scheduler.sleep(nanoseconds: 100 * fixture.pool.term)
                found.states.append(try Self.read(next))
                #expect(Self.code { _ = try Self.read(store) } == .fenced)
            }
            let seen = found.states
            guard seen.count == 3 else { continue }
            #expect(seen[1] == seen[2])
            #expect(!seen[2].contains(3))
            if seen[0] != seen[1] { beforeTaking += 1 }
            if Set(seen[2]).count == 2 { inPart += 1 } else { wholeOrNothing += 1 }
            for start in stride(from: 0, to: seen[2].count, by: 8192) {
                let piece = seen[2][start..<min(start + 8192, seen[2].count)]
                #expect(Set(piece).count == 1, "a piece was written in part")
            }
        }
        #expect(beforeTaking > 0)
        #expect(inPart > 0)
        #expect(wholeOrNothing > 0)
    }

    /// What a run found.
    private final class Found: @unchecked Sendable {
        // @unchecked: used by who has the scheduler's turn.
        var states: [[UInt8]] = []
    }

    /// Without anybody who takes the folder, what is late comes at any time.
    @Test func nobodyStopsWhatIsLate() throws {
        let found = Found()
        for seed: UInt64 in 1...40 {
            try Fixture(seed: seed, pieceSize: 1 << 20).run { fixture in
                let store = try fixture.owner(on: 0)
                let file = try store.createFile(Self.file, length: Self.length)
                try Self.write(1, to: file)
                fixture.pool.rates.unanswered = 1
                #expect(Self.code { try Self.write(2, to: file) } == .fenced)
                fixture.pool.rates.unanswered = 0
                let before = try Self.read(store)
                fixture.scheduler.sleep(nanoseconds: 100 * fixture.pool.term)
                let after = try Self.read(store)
                found.states.append([before[0], after[0]])
            }
        }
        // Never, at once but unheard, later.
        #expect(Set(found.states) == [[1, 1], [2, 2], [1, 2]])
    }

    @Test func aLeaseIsHadByOne() throws {
        try Fixture(seed: 3).run { fixture in
            let first = try fixture.owner(on: 0)
            _ = try first.replaceObject(Self.record, with: [1])
            #expect(Self.code { _ = try fixture.owner(on: 1) } == .locked)
            let other = fixture.store(on: 1)
            #expect(Self.code { _ = try other.lockExclusively(holder: "other") } == .locked)
            let second = try fixture.owner(on: 1, isFencing: true)
            #expect(Self.code { try first.replaceObject(Self.record, with: [2]) } == .fenced)
            #expect(Self.code { try first.remove(Self.record) } == .fenced)
            let bytes = try second.readObject(Self.record, limit: 10)
            #expect(bytes == [1])
            // Not by whoever joined without taking it.
            let third = fixture.store(on: 0)
            _ = try third.join(holder: "third")
            #expect(Self.code { try third.replaceObject(Self.record, with: [3]) } == .fenced)
        }
    }

    /// A process of the same host that is gone is not waited for, one of another for its lease.
    @Test func whoIsGoneIsWaitedFor() throws {
        try Fixture(seed: 4).run { fixture in
            let store = fixture.store(on: 0)
            _ = try store.lockExclusively(holder: "first")
            fixture.hosts[0].crash(.kill)
            let other = fixture.store(on: 1)
            #expect(Self.code { _ = try other.lockExclusively(holder: "other") } == .locked)
            fixture.hosts[0].start()
            let again = fixture.store(on: 0)
            let lock = try again.lockExclusively(holder: "again")
            #expect(Self.code { _ = try other.lockExclusively(holder: "other") } == .locked)
            lock.release()
            _ = try again.lockExclusively(holder: "again")
            fixture.hosts[0].crash(.powerLoss)
            fixture.scheduler.sleep(nanoseconds: 2 * fixture.pool.term)
            _ = try other.lockExclusively(holder: "other")
        }
    }

    @Test func aFolderIsUnchangedWhereNobodyElseHadIt() throws {
        try Fixture(seed: 5).run { fixture in
            func take(_ store: PoolStore) throws -> Bool {
                let taken = try store.takeFolder(Self.folder, holder: "test", isFencing: false)
                defer { taken.lock.release() }
                return taken.isUnchanged
            }
            let (first, second) = (fixture.store(on: 0), fixture.store(on: 1))
            let membership = try first.join(holder: "first")
            _ = try second.join(holder: "second")
            #expect(try !take(first))
            #expect(try take(first))
            #expect(try !take(second))
            #expect(try !take(first))
            #expect(try take(first))
            // One who had everything may have changed it.
            try second.lockExclusively(holder: "second").release()
            #expect(try !take(first))
            membership.release()
        }
    }

    /// Two hosts that take a folder by turns, at any moment: each is told when the other had it.
    @Test func aFolderThatAnotherHadIsNeverUnchanged() throws {
        final class Past: @unchecked Sendable {
            // @unchecked: used by who has the scheduler's turn.
            var last = -1
            var unchanged = 0
        }
        let past = Past()
        for seed: UInt64 in 1...40 {
            past.last = -1
            try Fixture(seed: seed).run { fixture in
                let threads = try (0..<2).map { host in
                    try fixture.scheduler.start(name: "host \(host)") {
                        let store = fixture.store(on: host)
                        guard let membership = try? store.join(holder: "\(host)") else {
                            return
                        }
                        for _ in 0..<12 {
                            guard
                                let taken = try? store.takeFolder(
                                    Self.folder, holder: "host \(host)", isFencing: false)
                            else { continue }
                            if taken.isUnchanged {
                                #expect(past.last == host)
                                past.unchanged += 1
                            }
                            past.last = host
                            taken.lock.release()
                        }
                        membership.release()
                    }
                }
                for thread in threads { thread.join() }
            }
        }
        #expect(past.unchanged > 0)
    }

    /// A full pool takes nothing that grows, and goes on with what is there.
    @Test func aFullPoolRefusesGrowth() throws {
        try Fixture(seed: 6, quota: 100_000).run { fixture in
            let store = try fixture.owner(on: 0)
            let file = try store.createFile(Self.file, length: Self.length)
            let other = try #require(ObjectName("lineages/a/chunks/2.chunk"))
            _ = try store.replaceObject(Self.record, with: [1, 2])
            _ = try store.createFile(other, length: 60_000)
            let third = try #require(ObjectName("lineages/a/chunks/3.chunk"))
            #expect(Self.code { _ = try store.createFile(third, length: 4096) } == .noSpace)
            let grown = Self.code { try store.replaceObject(Self.record, with: [1, 2, 3]) }
            #expect(grown == .noSpace)
            _ = try store.replaceObject(Self.record, with: [1])
            try Self.write(5, to: file)
            try store.remove(other)
            _ = try store.createFile(third, length: 4096)
            let listed = try store.list(#require(ObjectName("lineages/a/chunks")))
            #expect(listed.map(\.name) == ["1.chunk", "3.chunk"])
        }
    }

    /// Pieces that got no name, since their client's session ended, cost no space for long.
    @Test func piecesWithoutANameAreRemoved() throws {
        for seed: UInt64 in 1...20 {
            try Fixture(seed: seed).run { fixture in
                let store = try fixture.owner(on: 0)
                let used = fixture.pool.contents.used
                fixture.pool.rates.unanswered = 4
                let code = Self.code {
                    _ = try store.createFile(Self.file, length: Self.length)
                }
                fixture.pool.rates.unanswered = 0
                guard code != nil else { return }
                let next = try fixture.owner(on: 1, isFencing: true)
                let isThere = try !next.list(#require(ObjectName("lineages/a/chunks"))).isEmpty
                #expect(fixture.pool.contents.used == used + (isThere ? Int(Self.length) : 0))
            }
        }
    }

    /// The worlds would notice if the store, or the cluster, did not keep to its word.
    @Test(arguments: SimulatedPool.Flaw.allCases)
    func aWorldNoticesAFlaw(_ flaw: SimulatedPool.Flaw) {
        let seed = (1...300).first { seed in
            let world = World(seed: UInt64(seed), place: .pool, flaw: flaw)
            world.run()
            return !world.violations.isEmpty
        }
        #expect(seed != nil)
    }

    /// Two hosts that are both given a disk are noticed when that happens, not by what comes of it.
    @Test func aWorldNoticesThatTwoHostsHaveADisk() {
        let seed = (1...300).first { seed in
            let world = World(seed: UInt64(seed), place: .pool, flaw: .leasesTwice)
            world.run()
            return world.violations.contains { $0.contains("and the other host has it") }
        }
        #expect(seed != nil)
    }
}
