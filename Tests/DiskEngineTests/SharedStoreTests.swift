import CryptoPrimitives
import DiskFormat
import KeyManagement
import Testing

@testable import ChunkStore
@testable import DiskEngine

/// Several hosts have a store at a time, each with lineages of its own.
@Suite("Engine: a store that is shared")
struct SharedStoreTests {
    private let medium = SharedMemoryStore.Medium()
    private let keys = InMemoryKMS()

    init() throws { try Store.create(in: medium.files, account: "tests", region: "here") }

    private func host(_ name: String) throws -> Store {
        try Store(
            opening: SharedMemoryStore(medium), keys: keys, holder: name,
            limits: Harness.smallLimits)
    }

    private func create(_ store: Store, _ name: String) throws -> DiskID {
        try store.createDisk(encrypted: true, size: 1 << 20, attributes: ["name": name]).id
    }

    private func expect(
        _ code: DiskError.Code, about text: String = "",
        _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
    ) {
        do {
            try body()
            Issue.record("no error, expected \(code)", sourceLocation: location)
        } catch let error as DiskError {
            #expect(error.code == code, "\(error)", sourceLocation: location)
            #expect(
                text.isEmpty || "\(error)".contains(text), "\(error)", sourceLocation: location)
        } catch {
            Issue.record(error, sourceLocation: location)
        }
    }

    @Test func eachHostHasItsOwnDisks() throws {
        let (first, second) = (try host("first"), try host("second"))
        let (a, b) = (try create(first, "a"), try create(second, "b"))
        #expect(try second.disks().map(\.id) == [b])
        #expect(try second.refresh().disks.isEmpty)
        #expect(try Set(second.disks().map(\.id)) == [a, b])
        let data = pattern(8192, seed: 1)
        try first.attach(a).put(data, at: 4096)
        try second.attach(b).put([2], at: 0)
        expect(.heldElsewhere, about: "in use by `first`") { try second.attach(a) }
        _ = try second.refresh()
        #expect(second.holderElsewhere(of: try second.disk(a).lineage) == "first")
        #expect(second.holderElsewhere(of: try second.disk(b).lineage) == nil)
        // Nothing of its lineage can be done there.
        expect(.heldElsewhere) { try second.deleteDisk(a) }
        expect(.heldElsewhere) { try second.resize(a, to: 2 << 20) }
        expect(.heldElsewhere) { try second.setAttributes(of: a, to: [:]) }
        expect(.heldElsewhere) { _ = try second.createSnapshot(of: a, attributes: [:]) }
        try first.detach(a)
        #expect(try second.attach(a).bytes(4096, 8192) == data)
        expect(.heldElsewhere) { try first.attach(a) }
        try second.close()
        #expect(try first.attach(a).bytes(4096, 8192) == data)
        try first.close()
    }

    /// The host that had the disk gets errors for it, and for nothing else.
    @Test func aDiskIsTakenFromAHost() throws {
        let (first, second) = (try host("first"), try host("second"))
        let (a, b) = (try create(first, "a"), try create(first, "b"))
        _ = try second.refresh()
        let (lost, kept) = (try first.attach(a), try first.attach(b))
        let data = pattern(8192, seed: 1)
        try lost.put(data, at: 0)
        try lost.flush()
        let taken = try second.attach(a, isFencing: true)
        #expect(try taken.bytes(0, 8192) == data)
        #expect(throws: (any Error).self) {
            try lost.put([9], at: 0)
            try lost.flush()
        }
        try kept.put([3], at: 0)
        try kept.flush()
        try taken.put([7], at: 1)
        #expect(throws: (any Error).self) { try first.detach(a) }
        #expect(first.attached(a) == nil)
        expect(.heldElsewhere, about: "`second`") { try first.attach(a) }
        try second.detach(a)
        var expected = data
        expected[1] = 7
        #expect(try first.attach(a).bytes(0, 8192) == expected)
        try first.close()
        try second.close()
        let check = try StoreCheck(medium.files, survey: medium.files, keys: keys).run()
        #expect(!check.isDamaged, "\(check.findings)")
    }

    @Test func whatOneHostChangesTheOtherSees() throws {
        let (first, second) = (try host("first"), try host("second"))
        let a = try create(first, "a")
        let disk = try first.attach(a)
        try disk.put(pattern(8192, seed: 1), at: 0)
        let snapshot = try first.createSnapshot(of: a, attributes: ["name": "s"]).id
        _ = try second.refresh()
        #expect(try second.snapshots().map(\.id) == [snapshot])
        try first.setAttributes(of: a, to: ["name": "other"])
        try first.resize(a, to: 2 << 20)
        try first.detach(a)
        _ = try second.refresh()
        #expect(try second.disk(a).attributes == ["name": "other"])
        #expect(try second.disk(a).size == 2 << 20)
        // Without a look of its own, whoever takes a lineage sees it as it is.
        try second.setAttributes(of: a, to: ["name": "third"])
        #expect(try first.attach(a).size == 2 << 20)
        #expect(try first.disk(a).attributes == ["name": "third"])
        let clone = try first.createDisk(from: snapshot, size: nil, attributes: [:]).id
        try first.detach(a)
        try second.deleteSnapshot(snapshot)
        try second.deleteDisk(a)
        let gone = try first.refresh()
        #expect(gone.disks == [a] && gone.snapshots == [snapshot])
        #expect(try second.attach(clone).bytes(0, 8192) == pattern(8192, seed: 1))
        try second.detach(clone)
        try second.deleteDisk(clone)
        second.reclaimer.waitUntilIdle()
        expect(.notFound) { try first.attach(clone) }
        #expect(try first.refresh().disks == [clone])
        #expect(!medium.files.names.contains { $0.hasPrefix("lineages/") })
        try first.close()
        try second.close()
    }

    /// What waits to be given back when a disk is detached, or when something of a detached disk is
    /// deleted, is noted before the lineage is given back: nobody takes it once more for that, from
    /// under the next host.
    @Test func aDetachedDiskIsLeftAlone() throws {
        let (first, second) = (try host("first"), try host("second"))
        let (a, other) = (try create(first, "a"), try create(first, "other"))
        _ = try second.refresh()
        try first.attach(a).put([1], at: 0)
        try first.attach(other)
        let snapshots = try (0..<2).map { _ in
            try first.createSnapshot(of: a, attributes: [:]).id
        }
        let lineage = try first.disk(a).lineage
        let note = StoreLayout.reclaimMark(lineage)
        var takings = 0
        try first.passes.withLock {
            // It is kept at another lineage.
            first.reclaimer.request(try first.disk(other).lineage)
            eventually("it is at work") { first.reclaimer.figures.isRunning }
            try first.deleteSnapshot(snapshots[0])
            try first.detach(a)
            takings = medium.takings
            #expect(medium.files.names.contains(note))
            #expect(try second.attach(a).bytes(0, 1) == [1])
        }
        first.reclaimer.waitUntilIdle()
        #expect(medium.takings == takings + 1)
        second.reclaimer.waitUntilIdle()
        #expect(!medium.files.names.contains(note), "the next attach has it looked after")

        try second.detach(a)
        try second.deleteSnapshot(snapshots[1])
        #expect(medium.files.names.contains(note))
        second.reclaimer.waitUntilIdle()
        #expect(medium.takings == takings + 2)
        try first.close()
        try second.close()
    }

    /// A disk that was made here, went to another host, and was deleted there before anybody here
    /// looked.
    @Test func whatIsGoneBeforeTheFirstLookIsShownNoMore() throws {
        let (first, second) = (try host("first"), try host("second"))
        let a = try create(first, "a")
        _ = try second.refresh()
        try second.deleteDisk(a)
        second.reclaimer.waitUntilIdle()
        #expect(try first.refresh().disks == [a])
        #expect(try first.disks().isEmpty)
        try first.close()
        try second.close()
    }

    /// What another host makes or deletes at this moment is not rubbish.
    @Test func whatAnotherHostIsMakingIsLeftAlone() throws {
        let first = try host("first")
        let a = try create(first, "a")
        let lineage = try first.disk(a).lineage
        let folder = try #require(ObjectName(StoreLayout.lineage(lineage)))
        let mark = try #require(ObjectName(StoreLayout.deletionMark(lineage)))
        let maker = SharedMemoryStore(medium)
        let taken = try maker.takeFolder(folder, holder: "maker", isFencing: false)
        try maker.replaceObject(mark, with: [])
        let second = try host("second")
        second.reclaimer.waitUntilIdle()
        #expect(try second.disks().isEmpty)
        #expect(medium.files.names.contains(mark.path))
        try maker.remove(mark)
        _ = try second.refresh()
        #expect(try second.disks().map(\.id) == [a])
        // Of one that is gone it is: the next opening clears it away.
        try maker.replaceObject(mark, with: [])
        taken.lock.release()
        let third = try host("third")
        third.reclaimer.waitUntilIdle()
        #expect(!medium.files.names.contains { $0.hasPrefix("lineages/") })
        for store in [first, second, third] { try store.close() }
    }

    @Test func theAccountsRecordIsNotOverwritten() throws {
        let (first, second) = (try host("first"), try host("second"))
        let (empty, none) = try first.versionedAccountRecord()
        #expect(none == nil)
        #expect(try first.replaceAccountRecord(empty, of: nil))
        #expect(try !second.replaceAccountRecord(empty, of: nil))
        let version = try second.versionedAccountRecord().version
        #expect(try second.replaceAccountRecord(empty, of: version))
        #expect(try !first.replaceAccountRecord(empty, of: version))
        let turn = try first.takeAccountTurn()
        expect(.heldElsewhere, about: "`first`") { _ = try second.takeAccountTurn() }
        withExtendedLifetime(turn) {}
        try first.close()
        _ = try second.takeAccountTurn()
        try second.close()
    }

    /// Hosts that create, attach, write and hand on at the same time, each disk by whoever has it.
    @Test func hostsHandDisksOnWhileOthersWork() throws {
        let stores = [try host("0"), try host("1"), try host("2")]
        let disks = try (0..<4).map { try create(stores[0], "\($0)") }
        for store in stores { _ = try store.refresh() }
        let threads = stores.enumerated().map { host, store in
            startThread(name: "host") {
                var generator = SeededGenerator(seed: UInt64(host))
                for _ in 0..<60 {
                    let id = disks[Int.random(in: 0..<4, using: &generator)]
                    do {
                        // Each turn adds one to a counter that the disk holds.
                        let disk = try store.attach(id)
                        let count = try disk.bytes(0, 1)[0]
                        try disk.put([count &+ 1], at: 0)
                        try disk.put([UInt8(host)], at: UInt64(count) * 4096 + 4096)
                        try store.detach(id)
                    } catch let error as DiskError where error.code == .heldElsewhere {
                        _ = try? store.refresh()
                    } catch {
                        Issue.record(error)
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        for store in stores { try store.close() }
        let last = try host("last")
        for id in disks {
            let bytes = try last.attach(id).bytes(0, 1 << 20)
            let count = Int(bytes[0])
            #expect(count > 0)
            // Every turn's block is there, and none behind the last.
            let blocks = (0..<count).map { bytes[$0 * 4096 + 4096] }
            #expect(blocks.allSatisfy { $0 < 3 })
            #expect(bytes[(count * 4096 + 4096)...].allSatisfy { $0 == 0 })
        }
        try last.close()
        #expect(!(try StoreCheck(medium.files, survey: medium.files, keys: keys).run().isDamaged))
    }
}
