import Foundation
import Testing

/// Two hosts that have a store at once: each works with its own disks, sees what the other makes,
/// and goes on when a disk is taken from it.
struct HostsTogether {
    let first: Rig
    let other: Rig
    /// Whether it is waited for what a mount sees by itself, every ten seconds; else it is asked.
    var isPatient = true

    func run() throws {
        try workBesideEachOther()
        try loseADiskAndTakeItBack()
        try other.request("DetachDisk DiskId=c")
        try other.request("DeleteDisk DiskId=c")
        try eventually("it is gone there, too") {
            try haveLooked(first)
            return access(first.file("c"), F_OK) != 0
        }
        try other.unmount()
        try first.unmount()
        try first.succeed("check", first.store)
    }

    /// A request that names what a host does not know has it look for that.
    private func haveLooked(_ host: Rig) throws {
        if !isPatient { _ = try host.tryRequest("DescribeSnapshots SnapshotId=nobody") }
    }

    private func workBesideEachOther() throws {
        try first.mount()
        try other.mount()
        for disk in ["a", "b"] { try first.attachDisk(disk, mebibytes: 16) }
        try other.attachDisk("c", mebibytes: 16)
        try first.withDisk("a") { file in
            try file.write([1, 2, 3], at: 5)
            try file.synchronize()
        }
        try other.withDisk("c") { _ = try $0.write([7], at: 0) }
        try first.request("CreateSnapshot DiskId=a SnapshotName=s")
        try other.request("DescribeSnapshots SnapshotId=s")
        try eventually("it sees who has what") {
            try haveLooked(other)
            return try other.sealdisk("disk", "show", "a").output.contains(first.mountPoint)
        }
        // A check wants it alone.
        let check = try other.sealdisk("check", other.store)
        #expect(check.status == 5, "\(check)")
    }

    private func loseADiskAndTakeItBack() throws {
        try other.succeed("disk", "attach", "a", "--fence")
        #expect(
            try OpenedFile(other.file("a"), O_RDONLY).read(at: 4, count: 5)
                == [0, 1, 2, 3, 0])
        expectErrno(EIO) {
            try first.withDisk("a") { file in
                try file.write([UInt8](repeating: 9, count: 4096), at: 0)
                try file.synchronize()
            }
        }
        // Nothing else was taken from it.
        try first.withDisk("b") { file in
            try file.write([5], at: 1)
            try file.synchronize()
        }
        #expect(try first.tryRequest("DetachDisk DiskId=a").errno != 0)
        #expect(try first.tryRequest("AttachDisk DiskId=a").errno == EBUSY)
        try other.request("DetachDisk DiskId=a")
        try first.request("AttachDisk DiskId=a AcceptRollback=true")
        #expect(
            try OpenedFile(first.file("a"), O_RDONLY).read(at: 5, count: 3) == [1, 2, 3])
    }
}
