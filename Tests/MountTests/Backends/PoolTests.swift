import Foundation
import ServerFixtures
import Testing

extension MountSuite {
    /// A store in a pool of a real cluster.
    @Suite struct PoolTests {
        private let cluster: CephCluster

        init() throws { cluster = try CephCluster.shared.get() }

        @Test func aSessionOnTwoHostsAndCopies() throws {
            let store = PoolStore(cluster)
            let first = try store.firstHost()
            let session = StoreSession(first: first, other: try store.host(2, keysOf: first))
            try session.run()
            try session.copy(to: [try StoreInFolder().host(1, keysOf: first)])
        }

        @Test func bothHaveTheStoreAtOnce() throws {
            let store = PoolStore(cluster)
            let first = try store.firstHost()
            try HostsTogether(
                first: first, other: try store.host(2, keysOf: first), isPatient: false
            ).run()
        }

        /// The processes are of one host of the cluster: nobody waits for one that ended.
        @Test func whileOneHasADiskNoOtherDoesAndAfterItsEndTheNextOne() throws {
            let store = PoolStore(cluster)
            let first = try store.firstHost()
            try first.mount()
            try first.attachDisk("data", mebibytes: 64)
            let other = try store.host(2, keysOf: first)
            try other.mount()
            let load = try dying(first) {
                let outcome = try other.sealdisk("disk", "attach", "data")
                #expect(outcome.status == 5, "\(outcome)")
                #expect(
                    outcome.errors.contains("in use by `sealdisk mount \(first.mountPoint)`"),
                    "\(outcome)")
                #expect(outcome.errors.contains("--fence"), "\(outcome)")
            }
            try first.takeAway()
            try eventually("its process is gone") {
                try other.sealdisk("disk", "attach", "data").status == 0
            }
            try load.check(
                OpenedFile(other.file("data"), O_RDONLY), atLeast: load.acknowledged)
            try other.unmount()
        }

        private func dying(_ host: Rig, after body: () throws -> Void) throws -> SequencedLoad {
            let load = SequencedLoad(blocks: 200, isFlushed: true)
            let writer = load.start(on: try OpenedFile(host.file("data"), O_RDWR))
            try load.waitFor(20, by: writer)
            try body()
            try load.waitFor(load.acknowledged + 20, by: writer)
            try host.killDaemon()
            writer.join()
            return load
        }

        @Test func whoIsFencedGetsErrorsAndChangesNothing() throws {
            let store = PoolStore(cluster)
            let first = try store.firstHost()
            let other = try store.host(2, keysOf: first)
            try FencedHost(first: first, other: other, disk: "data").run(isDurableInStore: true)
        }

        @Test func aHostOfTheClusterThatIsKilledIsWaitedFor() throws {
            let host = try PoolStore(cluster).firstHost()
            try host.mount()
            try host.attachDisk("data", mebibytes: 64)
            try host.withDisk("data") { file in
                let load = SequencedLoad(blocks: 200, isFlushed: true)
                let writer = load.start(on: file)
                try load.waitFor(50, by: writer)
                try cluster.killOSD { usleep(300_000) }
                try load.waitFor(load.acknowledged + 50, by: writer)
                load.stop()
                writer.join()
                try load.check(file, atLeast: load.acknowledged)
            }
            let before = try host.hash(ofDisk: "data")
            try eventually("it is unmounted") {
                try host.sealdisk("unmount", host.mountPoint).status == 0
            }
            try host.mount("attach=data")
            #expect(try host.hash(ofDisk: "data") == before)
            try host.unmount()
        }
    }
}
