import Foundation
import Testing

extension MountSuite {
    /// Rule 8: actions on disks call the KMS, and nothing else does.
    @Suite struct KeyUseMountTests {
        private func uses(_ rig: Rig) throws -> [String] {
            let log = (rig.keystore as NSString).deletingLastPathComponent + "/key-use.log"
            return try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
                .map(String.init)
        }

        @Test func aSessionOfWorkOnADiskCallsTheKMSNever() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            let loop = try rig.succeed("disk", "attach", "data", "--loop")
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            let before = try uses(rig)
            #expect(before.contains { $0.contains("AttachDisk") })
            try Command.succeed("mkfs.ext4", "-q", "-F", loop)
            let place = try rig.makeFolder("ext4")
            for _ in 0..<2 {
                try Command.succeed("mount", loop, place)
                try Command.succeed(
                    "sh", "-ec", "head -c 20000000 /dev/urandom > '\(place)/file'; sync")
                try Command.succeed("fstrim", place)
                try Command.succeed(
                    "sh", "-ec", "cat '\(place)/file' '\(rig.snapshot("monday"))' > /dev/null")
                try Command.succeed("umount", place)
                try Command.succeed("fsck.ext4", "-fn", loop)
            }
            try rig.request("ResizeDisk DiskId=data NewSize=96MiB")
            for list in ["DescribeDisks", "DescribeSnapshots", "DescribeDiskUsage DiskId=data"] {
                try rig.request(list)
            }
            #expect(try uses(rig) == before)
            try Command.succeed("losetup", "-d", loop)
            try rig.request("DetachDisk DiskId=data")
            #expect(try uses(rig).count == before.count + 1)
            try rig.unmount()
        }
    }
}
