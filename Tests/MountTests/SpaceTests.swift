import Foundation
import Testing

extension MountSuite {
    /// Holes, sizes and space, as the tools of the host see them.
    @Suite struct SpaceTests {
        @Test func holesAreSeenAndMade() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            try file.write([UInt8](repeating: 1, count: 1 << 20), at: 8 << 20)
            #expect(try file.seek(0, 3) == 8 << 20)
            #expect(try file.seek(8 << 20, 4) == 9 << 20)
            expectErrno(ENXIO) { _ = try file.seek(9 << 20, 3) }
            #expect(try file.status().st_blocks == (1 << 20) / 512)
            try file.allocate(.punch, 8 << 20, 512 << 10)
            #expect(try file.seek(0, 3) == 8 << 20 + 512 << 10)
            #expect(try file.status().st_blocks == (512 << 10) / 512)
            #expect(try file.read(at: 8 << 20, count: 16) == [UInt8](repeating: 0, count: 16))
            try file.allocate(.zero, 8 << 20, 1 << 20)
            expectErrno(ENXIO) { _ = try file.seek(0, 3) }
            let copied = rig.folder + "/copy"
            try Command.succeed("cp", "--sparse=auto", rig.file("data"), copied)
            #expect(try OpenedFile(copied, O_RDONLY).status().st_blocks == 0)
        }

        @Test func spaceCannotBePromised() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let outcome = try Command.run("fallocate", ["-l", "1M", rig.file("data")])
            #expect(outcome.status != 0)
            #expect(outcome.errors.contains("not supported"), "\(outcome)")
        }

        @Test func truncateGrowsAndNeverShrinks() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            expectErrno(ENOSPC) { try file.write([1], at: 16 << 20) }
            #expect(try file.write([1, 2, 3, 4], at: 16 << 20 - 2) == 2)
            try file.truncate(to: 32 << 20)
            #expect(try file.status().st_size == 32 << 20)
            #expect(try file.read(at: 16 << 20 - 2, count: 4) == [1, 2, 0, 0])
            try file.write([3, 4], at: 16 << 20)
            #expect(try file.read(at: 16 << 20 - 2, count: 4) == [1, 2, 3, 4])
            expectErrno(EPERM) { try file.truncate(to: 16 << 20) }
            expectErrno(EINVAL) { try file.truncate(to: 32 << 20 + 512) }
            // As on a block device: ignored, and nothing of it is lost.
            let again = try OpenedFile(rig.file("data"), O_RDWR | O_TRUNC)
            #expect(try again.status().st_size == 32 << 20)
            #expect(try again.read(at: 16 << 20 - 2, count: 4) == [1, 2, 3, 4])
        }

        /// Tools that truncate what they overwrite.
        @Test(arguments: ["cp", "dd", "cat", "qemu-img convert", "qemu-img convert -n", "rsync"])
        func toolsOverwriteADisk(tool: String) throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 4)
            let content = rig.folder + "/content"
            try Command.succeed("dd", "if=/dev/urandom", "of=\(content)", "bs=1M", "count=4")
            let disk = rig.file("data")
            switch tool {
            case "cp": try Command.succeed("cp", content, disk)
            case "dd": try Command.succeed("dd", "if=\(content)", "of=\(disk)", "bs=64k")
            case "cat": try Command.succeed("sh", "-c", "cat \(content) > \(disk)")
            case "rsync": try Command.succeed("rsync", "--inplace", "--ignore-times", content, disk)
            case "qemu-img convert":
                // It makes the file anew: refused, and the disk stays as it was.
                let outcome = try Command.run(
                    "qemu-img", ["convert", "-f", "raw", "-O", "raw", content, disk])
                #expect(outcome.status != 0)
                return
            default:
                try Command.succeed(
                    "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", content, disk)
            }
            try Command.succeed("cmp", content, disk)
        }

        @Test func aGrownDiskShowsItsSizeAtOnce() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            #expect(try file.status().st_size == 16 << 20)
            try rig.request("ResizeDisk DiskId=data NewSize=48MiB")
            #expect(try file.status().st_size == 48 << 20)
        }

        @Test func fstrimGivesSpaceBack() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let loop = try rig.loop("data")
            try Command.succeed(
                "dd", "if=/dev/urandom", "of=" + loop, "bs=1M", "count=32", "oflag=direct")
            let full = try OpenedFile(rig.file("data"), O_RDONLY).status().st_blocks
            #expect(full == (32 << 20) / 512)
            let before = try hostBytes(rig)
            try Command.succeed("blkdiscard", loop)
            #expect(try OpenedFile(rig.file("data"), O_RDONLY).status().st_blocks == 0)
            // Within seconds, nobody asking for it: the host has it back. Looked at not too often:
            // Foundation's Process does not survive hundreds of starts in a row.
            for _ in 0..<60 where try hostBytes(rig) > before - (24 << 20) { usleep(500_000) }
            let after = try hostBytes(rig)
            #expect(after <= before - (24 << 20), "\(before) to \(after)")
        }

        /// What the store takes of its host, but for its reserve.
        private func hostBytes(_ rig: Rig) throws -> Int {
            // It says so if a file goes while it looks, and counts the others all the same.
            let text = try Command.run(
                "du", ["-s", "--block-size=1", "--exclude=reserve", rig.store]
            ).output
            return try #require(text.split(separator: "\t").first.flatMap { Int($0) })
        }

        /// By the command line: what differs between two snapshots, and what one alone holds.
        @Test func snapshotsAreCompared() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            try file.write([UInt8](repeating: 1, count: 1 << 20), at: 0)
            try rig.succeed("snapshot", "create", "data", "--name", "one")
            try file.write([UInt8](repeating: 2, count: 8192), at: 4096)
            try file.allocate(.punch, 512 << 10, 4096)
            try rig.succeed("snapshot", "create", "data", "--name", "two")
            #expect(
                try rig.succeed("snapshot", "diff", "one", "two")
                    == "OFFSET\tLENGTH\tKIND\n4096\t8192\tdata\n524288\t4096\tzero")
            let text = try rig.succeed("snapshot", "diff", "one", "two", "--json")
            let object =
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            #expect(((object?["Changes"] as? [String: Any])?["Change"] as? [Any])?.count == 2)
            #expect(try rig.succeed("snapshot", "usage").contains("Snapshots"))
            #expect(try rig.succeed("snapshot", "usage", "one").contains("Exclusive"))
        }

        /// A store on a medium that fills up: writes fail with ENOSPC, nothing written is lost, and
        /// what is discarded can be written again.
        @Test func aFullStoreCanBeFreed() throws {
            let rig = try Rig { store in
                try Command.succeed("mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", store)
            }
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 1024)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            let mebibyte = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 13) }
            var written = 0
            expectErrno(ENOSPC) {
                while written < 1024 {
                    guard try file.write(mebibyte, at: written << 20) == mebibyte.count else {
                        throw OpenedFile.Failure(call: "a short write", errno: ENOSPC)
                    }
                    written += 1
                }
            }
            #expect(written > 16)
            try file.synchronize()
            for index in 0..<written {
                try #require(
                    try file.read(at: index << 20, count: mebibyte.count) == mebibyte, "\(index)")
            }
            try file.allocate(.punch, 0, 1024 << 20)
            #expect(try file.seek(0, 4) == 0)
            try file.synchronize()
        }
    }
}
