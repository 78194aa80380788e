import Foundation
import ServerFixtures
import Testing

extension MountSuite {
    /// Two hosts have one store, and want one disk.
    ///
    /// With SEALDISK_HOST_LOSSES in both durabilities; what `host` promises is in `HostLossTests`.
    @Suite struct TwoHostsTests {
        private static let isLong =
            ProcessInfo.processInfo.environment["SEALDISK_HOST_LOSSES"] != nil
        private let server: SeaweedFS

        init() throws { server = try SeaweedFS.shared.get() }

        @Test func whileOneHasADiskNoOtherDoesAndAfterItsTermTheNextOne() throws {
            let store = BucketStore(server, "lease=2")
            let first = try store.firstHost()
            try first.mount()
            try first.attachDisk("data", mebibytes: 64)
            try first.withDisk("data") { _ = try $0.write([1, 2, 3], at: 5) }
            try first.request("CreateSnapshot DiskId=data SnapshotName=s")
            let other = try store.host(2, keysOf: first)
            try other.mount()
            let hostName = try Command.succeed("uname", "-n")
            // Longer than its term: it is renewed.
            for _ in 0..<3 {
                let outcome = try other.sealdisk("disk", "attach", "data")
                #expect(outcome.status == 5, "\(outcome)")
                #expect(
                    outcome.errors.contains(
                        "in use by `sealdisk mount \(first.mountPoint) on \(hostName)`"),
                    "\(outcome)")
                #expect(outcome.errors.contains("--fence"), "\(outcome)")
                usleep(900_000)
            }
            try first.crash()
            try eventually("its term is over") {
                try other.sealdisk("disk", "attach", "data").status == 0
            }
            #expect(
                try OpenedFile(other.file("data"), O_RDONLY).read(at: 4, count: 5)
                    == [0, 1, 2, 3, 0])
            // The other way round, and at once: it is given back.
            try other.unmount()
            try first.mount("attach=data")
            #expect(
                try OpenedFile(first.file("data"), O_RDONLY).read(at: 5, count: 3) == [1, 2, 3])
            try first.unmount()
        }

        @Test func bothHaveTheStoreAtOnce() throws {
            let store = BucketStore(server, "lease=2")
            let first = try store.firstHost()
            try HostsTogether(first: first, other: try store.host(2, keysOf: first)).run()
        }

        /// With what stands on it, though nothing can be written out any more.
        @Test func aDiskThatWasTakenIsDetachedWithItsLoopDevice() throws {
            let store = BucketStore(server, "lease=2&durability=store")
            let first = try store.firstHost()
            try first.mount()
            try first.attachDisk("data", mebibytes: 64)
            let place = first.folder + "/files"
            try first.succeed(
                "disk", "attach", "data", "--loop", "--mkfs", "ext4", "--at", place)
            try Command.succeed("sh", "-c", "echo text > '\(place)/file'; sync -f '\(place)'")
            let other = try store.host(2, keysOf: first)
            try other.mount()
            try eventually("it sees who has it") {
                try other.sealdisk("disk", "list").output.contains("Elsewhere")
            }
            let taking = try other.sealdisk("disk", "attach", "data", "--fence")
            #expect(taking.status == 0, "\(taking)")
            #expect(taking.errors.contains("taken from `sealdisk mount"), "\(taking)")
            let writing = try Command.run(
                "sh", ["-c", "echo more > '\(place)/more'; sync -f '\(place)'"])
            #expect(writing.status != 0)

            let outcome = try first.sealdisk("disk", "detach", "data")
            #expect(outcome.errors.contains("another host has taken"), "\(outcome)")
            #expect(outcome.errors.contains("The disk is detached"), "\(outcome)")
            #expect(first.loops().isEmpty)
            #expect(try first.sealdisk("disk", "attach", "data").status == 5)
            try other.succeed("disk", "detach", "data")
            try first.succeed(
                "disk", "attach", "data", "--accept-rollback", "--loop", "--at", place)
            #expect(try Command.succeed("cat", place + "/file") == "text")
            try first.succeed("disk", "detach", "data")
            try first.unmount()
            try other.unmount()
        }

        /// Also of one that lives: its users get errors, and nothing more of it becomes part of the
        /// store, whatever it does.
        @Test(arguments: isLong ? ["host", "store"] : ["store"])
        func whoIsFencedGetsErrorsAndChangesNothing(durability: String) throws {
            let store = BucketStore(server, "lease=2&lag=1&durability=\(durability)")
            let first = try store.firstHost()
            let other = try store.host(2, keysOf: first)
            try FencedHost(first: first, other: other, disk: "data").run(
                isDurableInStore: durability == "store")
        }
    }
}

/// A host that has a disk and loses it to another in the middle of writes.
struct FencedHost {
    let first: Rig
    let other: Rig
    let disk: String

    func run(isDurableInStore: Bool) throws {
        try first.mount()
        try first.attachDisk(disk, mebibytes: 64)
        let before = try loseTheDisk(isDurableInStore)
        // Nobody has anything open any more.
        let ended = try first.sealdisk("unmount", first.mountPoint)
        #expect(ended.status == 8, "\(ended)")
        #expect(ended.errors.contains("not everything is durable"), "\(ended)")
        #expect(ended.errors.contains("that host has it"), "\(ended)")
        #expect(!first.isListed)

        #expect(try other.hash(ofDisk: disk) == before)
        try OpenedFile(other.file(disk), O_RDWR).write([9], at: 60 << 20)
        let after = try other.hash(ofDisk: disk)
        try other.unmount()
        try other.succeed("check", other.store)
        try other.mount("attach=\(disk)")
        #expect(try other.hash(ofDisk: disk) == after)
        #expect(try other.request("DescribeDisks")["TotalCount"] as? Int == 1)
        try other.unmount()
    }

    /// Returns what the disk is to the other host, which has it then.
    private func loseTheDisk(_ isDurableInStore: Bool) throws -> String {
        let load = SequencedLoad(blocks: 500, isFlushed: true)
        let writer = load.start(on: try OpenedFile(first.file(disk), O_RDWR))
        try load.waitFor(50, by: writer)
        let sure = load.acknowledged
        try first.request("CreateSnapshot DiskId=\(disk) SnapshotName=s")
        try load.waitFor(sure + 20, by: writer)

        try other.mount("attach=\(disk)", isFencing: true)
        writer.join()
        // What was answered by then is all that the first host ever says.
        let answered = load.acknowledged
        #expect(load.errno == EIO, "\(load.errno)")
        try load.check(
            OpenedFile(other.file(disk), O_RDONLY), atLeast: isDurableInStore ? answered : sure)
        let before = try other.hash(ofDisk: disk)

        // It does not give up.
        let another = try OpenedFile(first.file(disk), O_RDWR)
        for _ in 0..<3 {
            expectErrno(EIO) {
                try another.write([UInt8](repeating: 0xAA, count: 4096), at: 8192)
                try another.synchronize()
            }
            usleep(500_000)
        }
        if let backend = try first.status()["backend"] as? [String: Any] {
            let failure = backend["failure"] as? String
            #expect(failure?.contains("another host has taken") == true)
        }
        #expect(try first.tryRequest("CreateSnapshot DiskId=\(disk)").errno != 0)
        return before
    }
}
