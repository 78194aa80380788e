import Foundation
import ServerFixtures
import Testing

extension MountSuite {
    /// A host dies in the middle of writes, each of which was flushed: what is left of them on the
    /// same host, and on another.
    ///
    /// SEALDISK_HOST_LOSSES is how often.
    @Suite struct HostLossTests {
        private static let rounds =
            ProcessInfo.processInfo.environment["SEALDISK_HOST_LOSSES"].flatMap(Int.init) ?? 1

        @Test(arguments: ["host", "store"])
        func whatWasPromisedIsThere(durability: String) throws {
            let store = BucketStore(
                try SeaweedFS.shared.get(), "lease=2&durability=\(durability)")
            let first = try store.firstHost()
            for round in 0..<Self.rounds {
                let (same, other) = ("same\(round)", "other\(round)")
                try first.mount()
                for disk in [same, other] { try first.attachDisk(disk, mebibytes: 64) }
                // With its cache nothing is lost.
                let load = try die(first, while: same)
                try first.takeAway()
                try first.mount("attach=all")
                try load.load.check(
                    OpenedFile(first.file(same), O_RDONLY), atLeast: load.load.acknowledged)

                let lost = try die(first, while: other)
                try first.takeAway()
                let next = try store.host(2, keysOf: first)
                try next.mountAfterTerm("attach=\(other):\(same)")
                try lost.load.check(
                    OpenedFile(next.file(other), O_RDONLY),
                    atLeast: durability == "store" ? lost.load.acknowledged : lost.sure)
                // What was there before its last mount was given back is the store's by now.
                if durability == "store" {
                    try load.load.check(
                        OpenedFile(next.file(same), O_RDONLY), atLeast: load.load.acknowledged)
                }
                let hash = try next.hash(ofDisk: other)
                try next.unmount()
                try next.succeed("check", next.store)
                // The first one comes back, with its cache: what it lost stays lost.
                let back = try first.sealdisk("mount", first.store, first.mountPoint)
                #expect(back.status == 0, "\(back)")
                let attached = try first.sealdisk("disk", "attach", other, "--accept-rollback")
                #expect(attached.status == 0, "\(attached)")
                #expect(try first.hash(ofDisk: other) == hash)
                try first.unmount()
            }
        }

        private typealias Death = (load: SequencedLoad, sure: Int)

        /// Kills the daemon under writes; `sure` were answered when a snapshot was asked for.
        private func die(_ host: Rig, while disk: String) throws -> Death {
            let load = SequencedLoad(blocks: 200, isFlushed: true)
            let writer = load.start(on: try OpenedFile(host.file(disk), O_RDWR))
            try load.waitFor(.random(in: 1...100), by: writer)
            let sure = load.acknowledged
            try host.request("CreateSnapshot DiskId=\(disk)")
            try load.waitFor(load.acknowledged + .random(in: 1...100), by: writer)
            try host.killDaemon()
            writer.join()
            return (load, sure)
        }
    }
}
