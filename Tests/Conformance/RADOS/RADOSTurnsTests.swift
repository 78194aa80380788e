import ChunkStore
import Glibc
import ServerFixtures
import Testing

@testable import RADOSStore

extension RADOSHostTests {
    @Suite("RADOSStore: who had a folder last", .serialized)
    struct RADOSTurnsTests {
        /// Another host comes and goes between a look at the lock and its taking: whoever takes it
        /// then learns of it.
        @Test func whoCameAndWentIsNotOverlooked() throws {
            let place = try CephCluster.shared.get().place()
            let folder = Scope.folder(try name("lineages/a"))
            let (one, other) = (try Session(place, of: folder), try Session(place, of: folder))
            let timing = LeaseTiming()
            let cookie = Entry.newID()
            let late = Lease(
                session: one, timing: timing, cookie: cookie,
                record: HolderRecord(cookie: cookie, client: "client.1", address: "", holder: "x"))
            let seen = try Lease.find(folder, by: one, "look")
            try Lease.take(other, timing, holder: "other", fencing: false).release()
            #expect(
                try late.tryTaking(after: seen.holder, last: seen.last, "take") == -ECANCELED)
            let now = try Lease.find(folder, by: one, "look")
            #expect(now.holder == nil && now.last != seen.last)
            #expect(try late.tryTaking(after: nil, last: now.last, "take") == 0)
            late.release()
        }
    }
}
