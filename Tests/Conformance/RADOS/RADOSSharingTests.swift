import ChunkStore
import Foundation
import ServerFixtures
import Synchronization
import Testing

@testable import RADOSStore

extension RADOSHostTests {
    /// Several hosts have a store at a time, each folder by one of them.
    @Suite("RADOSStore: a store that is shared", .serialized)
    struct RADOSSharingTests {
        private let cluster: CephCluster
        private let place: RADOSPlace
        private let first: SharedRADOSStore
        private let second: SharedRADOSStore
        private let a = "lineages/a"
        private let b = "lineages/b"
        private static let short = LeaseTiming(
            length: .seconds(3), renewal: .milliseconds(500), margin: .milliseconds(500))

        init() throws {
            cluster = try CephCluster.shared.get()
            place = cluster.place()
            first = try SharedRADOSStore(place, timing: Self.short)
            second = try SharedRADOSStore(place, timing: Self.short)
        }

        private func take(
            _ host: SharedRADOSStore, _ folder: String, fencing: Bool = false
        ) throws -> TakenFolder {
            try host.takeFolder(try name(folder), holder: "\(folder)-user", isFencing: fencing)
        }

        private func joined() throws -> [any StoreLock] {
            [try first.join(holder: "first"), try second.join(holder: "second")]
        }

        @Test func chunksOfAFolderAreSeenByAllAndWrittenByWhoHasIt() throws {
            let members = try joined()
            let mine = try take(first, a)
            // Longer than one lease: it is renewed.
            for _ in 0..<4 {
                expect(.locked) { _ = try take(second, a) }
                usleep(900_000)
            }
            let file = try first.createFile(try name("\(a)/chunk"), length: 8192)
            try file.write([7], at: 0)
            let seen = try second.openFile(try name("\(a)/chunk"))
            #expect(try seen.bytes(2) == [7, 0])
            // What others write is seen, whatever was asked for before.
            seen.prefetch(at: 0, length: 8192)
            try file.write([8], at: 0)
            #expect(try seen.bytes(2) == [8, 0])
            expect(.fenced, about: "has not taken") { try seen.write([9], at: 0) }
            expect(.fenced) { try second.removeFolder(try name("lineages")) }
            mine.lock.release()
            expect(.fenced, about: "given back folder lineages/a") { try file.write([9], at: 0) }
            for member in members { member.release() }
        }

        /// One that a host takes when it is free, while others do, too.
        @Test func ofManyWhoTakeAFolderOneHasIt() throws {
            let members = try joined()
            let name = try name(a)
            let inside = Atomic<Int>(0)
            let taken = Atomic<Int>(0)
            inThreads(4) { thread in
                let host = thread % 2 == 0 ? first : second
                for _ in 0..<10 {
                    do throws(StoreError) {
                        let folder = try host.takeFolder(name, holder: "x", isFencing: false)
                        // Threads of one host have it together.
                        let side = thread % 2 == 0 ? 1 : 1000
                        let now = inside.add(side, ordering: .relaxed).newValue
                        #expect(side == 1 ? now < 1000 : now % 1000 == 0)
                        inside.subtract(side, ordering: .relaxed)
                        taken.add(1, ordering: .relaxed)
                        folder.lock.release()
                    } catch {
                        #expect(error.code == .locked)
                    }
                }
            }
            #expect(taken.load(ordering: .relaxed) >= 10)
            for member in members { member.release() }
        }

        /// The first host loses one folder, and nothing else.
        @Test func aFolderThatIsTakenAwayTakesNothingElseAlong() throws {
            let members = try joined()
            let (mine, kept) = (try take(first, a), try take(first, b))
            let object = try name("\(a)/m")
            try first.replaceObject(object, with: [1])
            let file = try first.createFile(try name("\(a)/chunk"), length: 8192)
            try file.write([1], at: 0)
            let theirs = try take(second, a, fencing: true)
            // Past all checks of its own, as what was on its way would be.
            try expectRefused(try #require(first.taken[try name(a)]).store.session)
            expect(.fenced, about: "taken folder lineages/a over") { try file.write([2], at: 0) }
            expect(.fenced) { try file.synchronize() }
            expect(.fenced) { try first.replaceObject(object, with: [2]) }
            expect(.fenced) { _ = try take(first, a) }
            #expect(try second.openFile(try name("\(a)/chunk")).bytes(2) == [1, 0])
            try second.replaceObject(object, with: [3])
            // Its other folder is its own, and what lies in none.
            try first.replaceObject(try name("\(b)/m"), with: [5])
            try first.replaceObject(try name("common"), with: [6])
            mine.lock.release()
            expect(.locked) { _ = try take(first, a) }
            theirs.lock.release()
            let back = try take(first, a)
            #expect(!back.isUnchanged)
            #expect(try first.readObject(object, limit: 1) == [3])
            try first.replaceObject(object, with: [4])
            back.lock.release()
            kept.lock.release()
            for member in members { member.release() }
        }

        /// Who looked whether somebody has the whole before somebody took it looks again.
        @Test func whoTakesAPartLooksForTheWholeOnceItIsLocked() throws {
            let part = {
                try TakenPart(
                    .folder(try name(a)), of: place, timing: Self.short, pages: nil,
                    holder: "late", fencing: false)
            }
            let whole = try second.lockExclusively(holder: "sealdisk check")
            expect(.locked, about: "`sealdisk check`") { _ = try part() }
            whole.release()
            // The lock was given back at once.
            #expect(try part().giveBack())
        }

        /// Of a host that takes the store and one that takes a folder at the same time one at most
        /// has what it wants.
        @Test func theWholeAndAFolderAreNotHadAtOnce() throws {
            let member = try first.join(holder: "first")
            let folder = try name(a)
            let inside = Atomic<Int>(0)
            let taken = Atomic<Int>(0)
            inThreads(2) { thread in
                for _ in 0..<10 {
                    do throws(StoreError) {
                        let lock =
                            thread == 0
                            ? try first.takeFolder(folder, holder: "x", isFencing: false).lock
                            : try second.lockExclusively(holder: "y")
                        #expect(inside.add(1, ordering: .relaxed).newValue == 1)
                        usleep(5000)
                        inside.subtract(1, ordering: .relaxed)
                        taken.add(1, ordering: .relaxed)
                        lock.release()
                        usleep(20_000)
                    } catch {
                        #expect(error.code == .locked)
                    }
                }
            }
            #expect(taken.load(ordering: .relaxed) > 0)
            member.release()
        }

        /// What nobody renews: a folder goes over to the next one, alone or with the store; and the
        /// store as a whole to whoever joins it.
        @Test func whatAHostThatIsGoneHadIsTakenOver() throws {
            let folder = try name(a)
            let gone = RADOSStore(
                try Session(place, of: .folder(folder)), timing: Self.short)
            let member = try first.join(holder: "first")
            let lease = try Lease.take(
                gone.session, Self.short, holder: "gone", fencing: false)
            try PartRegister(session: gone.session).note(
                lease.record, of: .folder(folder), "note")
            let lost = Pieces(session: gone.session, id: Entry.newID(), length: 10)
            try gone.journal.note(lost, of: try name("\(a)/lost"), "note")
            try gone.writeNew([1], to: lost, "write")
            expect(.locked, about: "`gone`") { _ = try take(first, a) }
            expect(.locked, about: "`gone`") { _ = try second.lockExclusively(holder: "second") }
            usleep(3_100_000)
            let whole = try second.lockExclusively(holder: "second")
            try expectRefused(gone.session)
            let session = try second.base().common.session
            let left = Pieces(session: session, id: lost.id, length: lost.length)
            #expect(try left.sizes("sizes").isEmpty)
            // It is known no more, since nothing is there.
            #expect(try PartRegister(session: session).all("list").isEmpty)
            whole.release()
            try take(first, a).lock.release()

            // Now the whole.
            let silent = try RADOSStore(place, timing: Self.short)
            _ = try Lease.take(silent.session, Self.short, holder: "silent", fencing: false)
            expect(.locked, about: "`silent`") { _ = try take(first, a) }
            usleep(3_100_000)
            let mine = try take(first, a)
            try expectRefused(silent.session)
            let late = try second.join(holder: "second")
            late.release()
            mine.lock.release()
            member.release()
        }

        /// Who has the whole forgets parts that are gone, but none that somebody takes meanwhile.
        @Test func aPartThatIsTakenMeanwhileIsNotForgotten() throws {
            let session = try first.base().common.session
            let register = PartRegister(session: session)
            let scope = Scope.folder(try name(a))
            let record = { (holder: String) in
                HolderRecord(cookie: holder, client: "c", address: "x", holder: holder)
            }
            try register.note(record("one"), of: scope, "note")
            let found = try #require(try register.all("list").first)
            try register.note(record("two"), of: scope, "note")
            try register.remove(found, "remove")
            let now = try #require(try register.all("list").first)
            #expect(now.holder?.holder == "two")
            register.clear(record("one"), of: scope)
            #expect(try register.all("list").first?.holder?.holder == "two")
            try register.remove(now, "remove")
            #expect(try register.all("list").isEmpty)
        }

        private func expectRefused(_ session: Session) throws {
            let late = WriteOperation(session)
            late.createIfMissing()
            #expect(late.runAnyway(on: "late") == -ESHUTDOWN)
        }

        /// With `--fence` from a host that lives.
        @Test func whoHasTheWholeLosesItToWhoJoinsByForce() throws {
            let whole = try first.lockExclusively(holder: "first")
            try first.replaceObject(try name("common"), with: [1])
            let other = try SharedRADOSStore(place, timing: Self.short, isFencing: true)
            let member = try other.join(holder: "other")
            expect(.fenced) { try first.replaceObject(try name("common"), with: [2]) }
            expect(.fenced) { try first.replaceObject(try name("\(a)/m"), with: [2]) }
            try other.replaceObject(try name("common"), with: [3])
            whole.release()
            // A client of its own follows the one that is refused.
            let again = try first.join(holder: "first")
            let mine = try take(first, a)
            try first.replaceObject(try name("common"), with: [4])
            mine.lock.release()
            again.release()
            member.release()
        }

        /// A change that got no answer ends the client that made it, and no other.
        @Test func aChangeWithoutAnAnswerIsFollowedByANewClient() throws {
            let members = try joined()
            let mine = try take(first, a)
            let session = try first.base().common.session
            let code = Result { () throws in try session.change("write") { -ETIMEDOUT } }
            #expect(throws: StoreError.self) { try code.get() }
            try first.replaceObject(try name("common"), with: [1])
            try first.replaceObject(try name("\(a)/m"), with: [1])
            mine.lock.release()
            for member in members { member.release() }
        }

        /// What lies in no folder belongs to all, also where it takes several steps.
        @Test func allChangeWhatLiesInNoFolder() throws {
            let members = try joined()
            let object = try name("common")
            @Sendable func large(_ value: UInt8) -> [UInt8] {
                [UInt8](repeating: value, count: 100_000)
            }
            let version = try first.replaceObject(object, with: large(1), if: .absent)
            expect(.conflict) {
                _ = try second.replaceObject(
                    object, with: large(2), if: .version(ObjectVersion([1])))
            }
            _ = try second.replaceObject(object, with: large(2), if: .version(version))
            inThreads(2) { thread in
                let host = thread == 0 ? first : second
                for round in 1...5 {
                    let value = UInt8(10 * thread + round)
                    try host.replaceObject(object, with: round % 2 == 0 ? [value] : large(value))
                }
            }
            #expect(Set(try first.readObject(object, limit: 1 << 20)).count == 1)
            expect(.fenced) { _ = try first.createFile(try name("chunk"), length: 10) }
            // One reserve, whoever made it.
            let reserve = try name("reserve")
            #expect(try first.reserve(200_000, name: reserve) == 200_000)
            #expect(try second.reserve(100_000, name: reserve) == 100_000)
            #expect(try first.reserve(0, name: reserve) == 0)
            try second.remove(object)
            let session = try first.base().common.session
            for journal in ["journal", Scope.commons.journal] {
                let values = KeyedValues(session: session, object: journal)
                #expect(try values.all(prefix: "", "list")?.isEmpty ?? true, "\(journal)")
            }
            for member in members { member.release() }
        }
    }
}
