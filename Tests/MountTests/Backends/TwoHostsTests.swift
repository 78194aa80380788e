import Foundation
import ServerFixtures
import Testing

extension MountSuite {
    /// Two hosts want one store.
    @Suite struct TwoHostsTests {
        private let server: SeaweedFS

        init() throws { server = try SeaweedFS.shared.get() }

        @Test func whileOneHasItNoOtherDoesAndAfterItsTermTheNextOne() throws {
            let store = BucketStore(server, "lease=2")
            let first = try store.firstHost()
            try first.mount()
            try first.attachDisk("data", mebibytes: 64)
            let file = try OpenedFile(first.file("data"), O_RDWR)
            try file.write([1, 2, 3], at: 5)
            try first.request("CreateSnapshot DiskId=data SnapshotName=s")
            let other = try store.host(2, keysOf: first)
            // Longer than its term: it is renewed.
            for _ in 0..<3 {
                let outcome = try other.sealdisk("mount", other.store, other.mountPoint)
                #expect(outcome.status == 5, "\(outcome)")
                #expect(
                    outcome.errors.contains("in use by `sealdisk mount \(first.mountPoint)`"),
                    "\(outcome)")
                #expect(outcome.errors.contains("mount --fence"), "\(outcome)")
                usleep(900_000)
            }
            try first.crash()
            try other.mountAfterTerm("attach=data")
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

        /// Also of one that lives: its users get errors, and nothing more of it becomes part of the
        /// store, whatever it does.
        @Test(arguments: ["host", "store"])
        func whoIsFencedGetsErrorsAndChangesNothing(durability: String) throws {
            let store = BucketStore(server, "lease=2&lag=1&durability=\(durability)")
            let first = try store.firstHost()
            let other = try store.host(2, keysOf: first)
            try FencedHost(first: first, other: other, disk: "data").run(
                isDurableInStore: durability == "store")
        }
    }
}

/// A host that has a store and loses it to another, in the middle of writes.
struct FencedHost {
    let first: Rig
    let other: Rig
    let disk: String

    func run(isDurableInStore: Bool) throws {
        try first.mount()
        try first.attachDisk(disk, mebibytes: 64)
        let before = try loseTheStore(isDurableInStore)
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
    private func loseTheStore(_ isDurableInStore: Bool) throws -> String {
        let load = SequencedLoad(blocks: 500, isFlushed: true)
        let writer = load.start(on: try OpenedFile(first.file(disk), O_RDWR))
        try load.waitFor(50, by: writer)
        try first.request("CreateSnapshot DiskId=\(disk) SnapshotName=s")
        let sure = load.acknowledged
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
            #expect(failure?.contains("another host has taken the store") == true)
        }
        for request in ["CreateSnapshot DiskId=\(disk)", "CreateDisk Size=1MiB"] {
            #expect(try first.tryRequest(request).errno != 0, "\(request)")
        }
        return before
    }
}
