import ChunkStore
import Foundation
import ServerFixtures
import Synchronization
import Testing

@testable import RADOSStore

extension RADOSHostTests {
    /// Both harm the cluster that all share, for a while: calls of others wait.
    @Suite("RADOSStore: hosts that end, pools that are full", .serialized)
    struct RADOSOutageTests {
        private let cluster: CephCluster

        init() throws { cluster = try CephCluster.shared.get() }

        @Test func callsOutwaitAHostThatIsKilledAndComesBack() throws {
            let store = try cluster.store()
            let file = try store.createFile(try name("chunk"), length: 1 << 20)
            let written = Atomic<Int>(0)
            let isOver = Atomic<Bool>(false)
            let done = DispatchGroup()
            for thread in 0..<4 {
                DispatchQueue.global().async(group: done) {
                    do {
                        var round = 0
                        while !isOver.load(ordering: .acquiring) {
                            round += 1
                            let bytes = [UInt8](repeating: UInt8(round & 255), count: 4096)
                            let offset = UInt64(thread * 4096)
                            try file.write(bytes, at: offset)
                            #expect(try file.bytes(4096, at: offset) == bytes)
                            written.add(1, ordering: .relaxed)
                        }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
            while written.load(ordering: .relaxed) < 50 { usleep(1000) }
            var before = 0
            try cluster.killOSD {
                before = written.load(ordering: .relaxed)
                usleep(300_000)
            }
            for _ in 0..<3000 where written.load(ordering: .relaxed) < before + 50 {
                usleep(10_000)
            }
            #expect(written.load(ordering: .relaxed) >= before + 50)
            isOver.store(true, ordering: .releasing)
            done.wait()
            try file.synchronize()
        }

        @Test func aFullPoolRefusesWhatNeedsSpaceAndLetsGo() throws {
            let store = try RADOSStore(cluster.place(pool: "small"))
            try cluster.order("ceph osd pool set-quota small max_bytes 2000000")
            defer { try? cluster.order("ceph osd pool set-quota small max_bytes 0") }
            let reserve = try name("reserve")
            #expect(try store.reserve(500_000, name: reserve) == 500_000)
            try fill(store)
            // What each host holds is told every second or so.
            for _ in 0..<500 where try store.capacity().available > 0 { usleep(10_000) }
            #expect(try store.capacity() == StoreCapacity(total: 2_000_000, available: 0))
            expect(.noSpace, about: "create a/other") {
                _ = try store.createFile(try name("a/other"), length: 1 << 20, beginning: [1])
            }
            #expect(Set(try store.list(try name("a")).map(\.name)) == ["chunk", "more"])
            let large = [UInt8](repeating: 2, count: 1 << 20)
            try store.replaceObject(try name("a/object"), with: [1])
            expect(.noSpace) { try store.replaceObject(try name("a/object"), with: large) }
            #expect(try store.readObject(try name("a/object"), limit: 1) == [1])
            #expect(try store.reserve(1 << 20, name: reserve) == 500_000)
            #expect(try store.reserve(0, name: reserve) == 0)
            try store.removeFolder(try name("a"))
            let again = try name("a/again")
            for _ in 0..<1000 {
                if (try? store.createFile(again, length: 1000, beginning: [1])) != nil { break }
                usleep(10_000)
            }
            #expect(try store.openFile(again).bytes(1) == [1])
        }

        /// The monitors have no figures of a new pool until the manager has told them: a store can
        /// be made there all the same. A pool that is gone is another matter.
        @Test func aPoolHasACapacityFromItsBeginningToItsEnd() throws {
            try cluster.killManager {
                try cluster.order("ceph osd pool create new 1 1 replicated")
                let store = try RADOSStore(cluster.place(pool: "new"))
                let old = try RADOSStore(cluster.place(pool: "test"))
                #expect(try store.capacity().total > 0)
                #expect(try store.capacity() == old.capacity())
                try cluster.order(
                    "ceph osd pool delete new new --yes-i-really-really-mean-it")
                expect(.notFound, about: "the cluster has no pool new") {
                    _ = try store.capacity()
                }
            }
        }

        /// Until the pool refuses; what has its space can be written all the same.
        private func fill(_ store: RADOSStore) throws {
            let file = try store.createFile(try name("a/chunk"), length: 8 << 20)
            // The monitors look every second or so.
            var refusal: StoreError?
            for round in 0..<1000 where refusal == nil {
                do {
                    _ = try store.createFile(try name("a/more/\(round)"), length: 1)
                    usleep(10_000)
                } catch let error as StoreError {
                    refusal = error
                }
            }
            #expect(refusal?.code == .noSpace)
            try file.write([UInt8](repeating: 2, count: 1 << 20), at: 7 << 20)
            #expect(try file.bytes(3, at: (8 << 20) - 2) == [2, 2])
            try file.deallocate(at: 0, length: 4 << 20)
            expect(.noSpace, about: "write a/chunk") { try file.write([1], at: 0) }
            try file.write([3], at: 4 << 20)
            try writeBesideWhatDoesNotFit(file)
        }

        /// Of writes that go to the cluster together only those fail that need space.
        private func writeBesideWhatDoesNotFit(_ file: any ChunkFile) throws {
            let refused = Atomic<Int>(0)
            inThreads(4) { thread in
                for round in 0..<30 {
                    let offset = UInt64((4 << 20) + 4096 * thread)
                    try file.write([UInt8(round)], at: offset)
                    #expect(try file.bytes(1, at: offset) == [UInt8(round)])
                    do {
                        try file.write([1], at: 0)
                    } catch let error as StoreError {
                        #expect(error.code == .noSpace)
                        refused.add(1, ordering: .relaxed)
                    }
                }
            }
            #expect(refused.load(ordering: .relaxed) == 120)
        }
    }
}
