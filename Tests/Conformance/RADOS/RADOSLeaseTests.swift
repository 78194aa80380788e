import ChunkStore
import Foundation
import HostPrograms
import ServerFixtures
import Synchronization
import Testing

@testable import RADOSStore

/// One after the other: a host of the cluster that is killed renews no short lease.
@Suite("RADOSStore: hosts", .serialized) enum RADOSHostTests {}

extension RADOSHostTests {
    /// Two clients of a cluster are two hosts.
    @Suite("RADOSStore: one holder, and what becomes of a former one", .serialized)
    struct RADOSLeaseTests {
        private let cluster: CephCluster
        private let place: RADOSPlace
        private let first: RADOSStore
        private let second: RADOSStore
        private static let short = LeaseTiming(
            length: .seconds(3), renewal: .milliseconds(500), margin: .milliseconds(500))

        init() throws {
            cluster = try CephCluster.shared.get()
            place = cluster.place()
            first = try RADOSStore(place, timing: Self.short)
            second = try RADOSStore(place, timing: Self.short)
        }

        @Test func whileTheLeaseLivesTheHolderIsNamed() throws {
            let lock = try first.lockExclusively(holder: "sealdisk mount here")
            // Longer than one lease: it is renewed.
            for _ in 0..<5 {
                expect(.locked, about: "in use by `sealdisk mount here`, process \(getpid()) on ") {
                    _ = try second.lockExclusively(holder: "another")
                }
                usleep(700_000)
            }
            try first.replaceObject(try name("object"), with: [1])
            lock.release()
            let next = try second.lockExclusively(holder: "another")
            // Who gave the store back was not refused by the cluster.
            #expect(try first.readObject(try name("object"), limit: 1) == [1])
            try first.replaceObject(try name("object"), with: [2])
            next.release()
            try first.lockExclusively(holder: "again").release()
        }

        @Test func aFencedHolderWritesNothingMore() throws {
            let lock = try first.lockExclusively(holder: "the first")
            let file = try first.createFile(try name("chunk"), length: 8000)
            let counter = Atomic<UInt64>(0)
            let failure = Mutex<StoreError?>(nil)
            let writer = Thread {
                var value: UInt64 = 0
                do throws(StoreError) {
                    while true {
                        value += 1
                        try withUnsafeBytes(of: value) { $0.map { $0 } }.withBytes {
                            (bytes) throws(StoreError) in try file.write(bytes, at: 0)
                        }
                        counter.store(value, ordering: .releasing)
                    }
                } catch {
                    failure.withLock { $0 = error }
                }
            }
            writer.start()
            while counter.load(ordering: .acquiring) < 20 { usleep(1000) }
            let taken = try second.lockExclusively(holder: "the second", fencing: true)
            let acknowledged = counter.load(ordering: .acquiring)
            let again = try second.openFile(try name("chunk"))
            let seen = try again.bytes(8)
            // All that was acknowledged is there, and nothing is added from now on.
            let value = seen.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.1) << (8 * $1.0) }
            #expect(value >= acknowledged)
            for _ in 0..<1000 where failure.withLock({ $0 }) == nil { usleep(10_000) }
            #expect(failure.withLock { $0?.code } == .fenced)
            #expect(try again.bytes(8) == seen)
            expect(.fenced, about: "synchronize chunk") { try file.synchronize() }
            expect(.fenced) { try first.replaceObject(try name("object"), with: [1]) }
            expect(.fenced) { _ = try first.createFile(try name("new"), length: 1) }
            expect(.fenced) { try first.remove(try name("chunk")) }
            expect(.fenced) { _ = try first.lockExclusively(holder: "the first again") }
            lock.release()
            expect(.locked, about: "`the second`") {
                _ = try RADOSStore(place).lockExclusively(holder: "third")
            }
            try again.write([1], at: 9)
            taken.release()
        }

        /// A process that was killed, and begins again on its host.
        @Test func aHolderThatEndedHereIsNotWaitedFor() throws {
            let ended = try Program("true")
            ended.waitUntilExit()
            let usual = LeaseTiming()
            let lease = try Lease.take(first.session, usual, holder: "killed", fencing: false)
            expect(.locked, about: "it is free 3 s after that process has ended") {
                _ = try second.lockExclusively(holder: "the next")
            }
            let record = HolderRecord(
                cookie: lease.cookie, client: lease.record.client, address: lease.record.address,
                holder: "killed", process: ended.processIdentifier)
            let change = WriteOperation(first.session)
            change.set("holder", record.encoded)
            #expect(try change.run(on: "lock", "test") == 0)
            let lock = try second.lockExclusively(holder: "the next")
            expect(.fenced) { try first.replaceObject(try name("object"), with: [1]) }
            lock.release()
        }

        /// A host that stood still: its lease ran out, and what it sends later is refused.
        @Test func aLeaseThatRanOutIsTakenOverAndItsHolderRefused() throws {
            let lease = try Lease.take(first.session, Self.short, holder: "gone", fencing: false)
            let file = try first.createFile(try name("chunk"), length: 10)
            try file.write([1], at: 0)
            expect(.locked, about: "`gone`") { _ = try second.lockExclusively(holder: "next") }
            // Nobody renews it. By its own clock the holder stops before the cluster gives it away.
            usleep(2_600_000)
            expect(.fenced, about: "could not be renewed in time") { try file.write([2], at: 0) }
            expect(.fenced) { try file.synchronize() }
            usleep(600_000)
            let lock = try second.lockExclusively(holder: "next")
            // Past all checks of its own, as what was on its way would be.
            let late = [UInt8](repeating: 9, count: 1).withUnsafeBytes { bytes in
                first.session.rados.write(
                    first.session.pool, file.object, bytes.baseAddress, 1, 0)
            }
            #expect(late == -ESHUTDOWN)
            #expect(lease.renew() == -ESHUTDOWN)
            #expect(try second.openFile(try name("chunk")).bytes(1) == [1])
            lock.release()
        }

        /// Between the taking and the refusal of the former holder the successor ends, too.
        @Test func aFormerHolderIsNotForgotten() throws {
            _ = try Lease.take(first.session, Self.short, holder: "one", fencing: false)
            usleep(3_100_000)
            let change = WriteOperation(second.session)
            change.set("expelled:\(try address(first))", [1])
            change.remove("holder")
            #expect(try change.run(on: "lock", "test") == 0)
            try second.lockExclusively(holder: "three").release()
            expect(.fenced) { try first.replaceObject(try name("object"), with: [1]) }
        }

        private func address(_ store: RADOSStore) throws -> String {
            let values = KeyedValues(session: store.session, object: "lock")
            let found = try #require(try values.values(of: ["holder"], "read")?["holder"])
            return try #require(HolderRecord(found)).address
        }

        @Test func whoMayNotRefuseOthersTakesNothingOver() throws {
            var powerless = place
            powerless.user = "powerless"
            _ = try Lease.take(first.session, Self.short, holder: "gone", fencing: false)
            usleep(3_100_000)
            let store = try RADOSStore(powerless, timing: Self.short)
            expect(.denied, about: "needs `mon 'profile rbd'`") {
                _ = try store.lockExclusively(holder: "powerless")
            }
            try second.lockExclusively(holder: "next").release()
        }

        /// A change of which it is not known whether it will still be done ends the session, and
        /// the store's next holder has the client refused.
        @Test func aChangeWithoutAnAnswerEndsTheSession() throws {
            let lock = try first.lockExclusively(holder: "unlucky")
            let code = Result { () throws in try first.session.change("write") { -ETIMEDOUT } }
            #expect(throws: StoreError.self) { try code.get() }
            expect(.fenced, about: "may still do what it was asked") {
                try first.replaceObject(try name("object"), with: [1])
            }
            lock.release()
            // At once, though it did not end well.
            let next = try second.lockExclusively(holder: "next")
            let change = WriteOperation(first.session)
            change.createIfMissing()
            #expect(change.runAnyway(on: "late") == -ESHUTDOWN)
            next.release()
        }
    }
}

extension ChunkFile {
    /// The first piece of a chunk in a cluster.
    fileprivate var object: String {
        guard let file = self as? RADOSChunkFile else { return "" }
        return file.firstObject
    }
}
