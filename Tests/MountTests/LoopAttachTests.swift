import Foundation
import Testing

extension MountSuite {
    /// `attach` in one step, undone where a part of it fails, and `detach`, which undoes it.
    @Suite struct LoopAttachTests {
        private func mounts(at place: String) throws -> Int {
            let lines = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
            return lines.split(separator: "\n").filter { $0.contains(" \(place) ") }.count
        }

        private func system(_ loop: String, _ file: String) throws -> String {
            try Command.succeed("cat", "/sys/block/\((loop as NSString).lastPathComponent)/\(file)")
        }

        private func status(_ rig: Rig, _ disk: String) throws -> [String: Any] {
            let all = try rig.request("DescribeDisks DiskId=\(disk)")["Disks"] as? [String: Any]
            return try #require((all?["Disk"] as? [[String: Any]])?.first)
        }

        /// Neither a loop device nor a mount nor a folder nor a record is left, and the disk is
        /// blank and detached.
        private func expectAsFound(_ rig: Rig, _ disk: String, _ place: String) throws {
            #expect(rig.loops().isEmpty)
            #expect(try mounts(at: place) == 0)
            #expect(access(place, F_OK) != 0)
            let now = try status(rig, disk)
            #expect(now["Status"] as? String == "Available", "\(now)")
            #expect(now["StoredBytes"] as? Int == 0, "\(now)")
        }

        @Test(arguments: ["ext4", "xfs"]) func oneCommandMakesAndMountsAFileSystem(
            type: String
        ) throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=320MiB Encrypted=true")
            let place = rig.folder + "/files"
            let loop = try rig.succeed(
                "disk", "attach", "data", "--loop", "--mkfs", type, "--at", place, "--options",
                "noatime")
            #expect(rig.loops() == [loop])
            #expect(try Command.succeed("findmnt", "-no", "FSTYPE", place) == type)
            #expect(try Command.succeed("findmnt", "-no", "OPTIONS", place).contains("noatime"))
            try Command.succeed("sh", "-c", "echo text > '\(place)/file'; sync -f '\(place)'")
            // The same once more changes nothing; a file system is never made over data.
            #expect(
                try rig.succeed("disk", "attach", "data", "--loop", "--at", place) == loop)
            #expect(try mounts(at: place) == 1)
            let over = try rig.sealdisk(
                "disk", "attach", "data", "--loop", "--mkfs", type, "--at", place)
            #expect(over.status == 4, "\(over)")

            try snapshotIsMounted(rig, type)

            #expect(try rig.succeed("disk", "detach", "data") == "Detached disk data.")
            #expect(rig.loops().isEmpty)
            #expect(access(place, F_OK) != 0)
            #expect(try status(rig, "data")["Status"] as? String == "Available")
            // What is there is mounted, on a folder that stays.
            let folder = try rig.makeFolder("own")
            try rig.succeed("disk", "attach", "data", "--loop", "--at", folder)
            #expect(try Command.succeed("cat", folder + "/file") == "text")
            try rig.succeed("disk", "detach", "data")
            #expect(access(folder, F_OK) == 0)
            try rig.unmount()
        }

        /// Beside the disk it was taken of, which is in use.
        private func snapshotIsMounted(_ rig: Rig, _ type: String) throws {
            try rig.succeed("snapshot", "create", "data", "--name", "monday", "--freeze")
            let place = rig.folder + "/monday"
            let loop = try rig.succeed("snapshot", "attach", "monday", "--at", place)
            #expect(try Command.succeed("cat", place + "/file") == "text")
            #expect(try system(loop, "ro") == "1")
            let options = try Command.succeed("findmnt", "-no", "OPTIONS", place)
            // The kernel's word for ext4's noload, too.
            #expect(options.hasPrefix("ro") && options.contains("norecovery"), "\(options)")
            #expect(try Command.run("touch", [place + "/new"]).status != 0)
            try rig.succeed("snapshot", "detach", "monday")
            #expect(access(place, F_OK) != 0)
            #expect(rig.loops().count == 1)
            let again = try rig.sealdisk("snapshot", "detach", "monday")
            #expect(again.status == 0 && again.errors.contains("nothing is left to do"), "\(again)")
        }

        @Test func whatFailsIsUndone() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            let place = rig.folder + "/files"
            let command = ["disk", "attach", "data", "--loop"]
            func attach(_ more: String..., path: String? = nil) throws -> Command.Outcome {
                var environment = rig.environment
                if let path { environment["PATH"] = path }
                return try Command.run(Rig.program, command + more, environment: environment)
            }
            // mkfs fails after it has written something.
            let tools = try rig.makeFolder("tools")
            try Data("#!/bin/sh\ndd if=/dev/urandom of=$2 bs=1M count=8; sync $2; exit 3\n".utf8)
                .write(to: URL(fileURLWithPath: tools + "/mkfs.broken"))
            try Command.succeed("chmod", "+x", tools + "/mkfs.broken")
            let search = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin"
            let broken = try attach(
                "--mkfs", "broken", "--at", place, path: "\(tools):\(search)")
            #expect(broken.status == 8 && broken.errors.contains("mkfs.broken"), "\(broken)")
            try expectAsFound(rig, "data", place)
            // There is no such mkfs; no file system; the folder lies nowhere, or holds something.
            #expect(try attach("--mkfs", "nothing", "--at", place).status == 8)
            #expect(try attach("--at", place).status == 8)
            #expect(try attach("--mkfs", "ext4", "--at", place + "/a/b").status == 3)
            #expect(
                try attach("--mkfs", "ext4", "--at", place, "--options", "nonsense").status == 8)
            try expectAsFound(rig, "data", place)
            let full = try attach("--mkfs", "ext4", "--at", tools)
            #expect(full.status == 5 && full.errors.contains("not empty"), "\(full)")
            try expectAsFound(rig, "data", place)
            #expect(access(tools + "/mkfs.broken", F_OK) == 0)
            // In the issue's own words.
            let said = try attach("--mkfs", "ext4", "--mount", place)
            #expect(said.status == 0, "\(said)")
            #expect(try mounts(at: place) == 1)
            try rig.succeed("disk", "detach", "data")
            try rig.unmount()
        }

        @Test func aDetachThatIsRefusedNamesWho() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            let place = rig.folder + "/files"
            let loop = try rig.succeed(
                "disk", "attach", "data", "--loop", "--mkfs", "ext4", "--at", place)
            let user = try Command.start("sh", ["-c", "cd '\(place)' && exec sleep 60"])
            defer { kill(user.process.processIdentifier, SIGKILL) }
            let link = "/proc/\(user.process.processIdentifier)/cwd"
            while (try? FileManager.default.destinationOfSymbolicLink(atPath: link)) != place {
                usleep(2000)
            }
            let busy = try rig.sealdisk("disk", "detach", "data")
            #expect(busy.status == 5 && busy.errors.contains("sleep"), "\(busy)")
            #expect(try mounts(at: place) == 1)
            kill(user.process.processIdentifier, SIGKILL)
            user.process.waitUntilExit()
            // Somebody else's mount is not taken away, nor is ours before it.
            let other = try rig.makeFolder("other")
            try Command.succeed("mount", loop, other)
            let foreign = try rig.sealdisk("disk", "detach", "data")
            #expect(foreign.status == 5 && foreign.errors.contains(other), "\(foreign)")
            #expect(try mounts(at: place) == 1)
            try Command.succeed("umount", other)
            try rig.succeed("disk", "detach", "data")
            try rig.unmount()
        }

        @Test func theDeviceIsSetUpAsAsked() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            let plain = try rig.succeed("disk", "attach", "data", "--loop", "--direct-io", "off")
            #expect(try system(plain, "loop/dio") == "0")
            let other = try rig.sealdisk("disk", "attach", "data", "--loop", "--partscan")
            #expect(other.status == 5 && other.errors.contains("--partscan"), "\(other)")
            try rig.succeed("disk", "detach", "data")

            // As a virtual machine leaves it: a table of one partition, in sectors of 512 bytes.
            try rig.succeed("disk", "attach", "data")
            let table: [UInt8] =
                [0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0xc0, 1, 0]
                + [UInt8](repeating: 0, count: 48) + [0x55, 0xaa]
            try OpenedFile(rig.file("data"), O_RDWR).write(table, at: 446)
            let loop = try rig.succeed(
                "disk", "attach", "data", "--loop", "--partscan", "--sector-size", "512")
            #expect(try system(loop, "loop/dio") == "1")
            #expect(try system(loop, "queue/logical_block_size") == "512")
            #expect(try system(loop, "loop/partscan") == "1")
            // A kernel that reads no tables is told; one that has found the partition refuses.
            if access(loop + "p1", F_OK) != 0 {
                try Command.succeed("addpart", loop, "1", "2048", "114688")
            }
            try Command.succeed("mkfs.ext4", "-q", loop + "p1")
            let place = rig.folder + "/files"
            let again = try rig.succeed(
                "disk", "attach", "data", "--loop", "--partition", "1", "--at", place)
            #expect(again == loop)
            #expect(try Command.succeed("findmnt", "-no", "SOURCE", place) == loop + "p1")
            let no = try rig.sealdisk(
                "disk", "attach", "data", "--loop", "--partition", "2", "--at", place + "2")
            #expect(no.status == 3, "\(no)")
            try rig.succeed("disk", "detach", "data")
            #expect(access(loop + "p1", F_OK) != 0)
            #expect(access(place, F_OK) != 0)

            let frozen = try rig.succeed("disk", "attach", "data", "--loop", "--read-only")
            #expect(try system(frozen, "ro") == "1")
            try rig.succeed("disk", "detach", "data")
            #expect(try rig.sealdisk("disk", "attach", "data", "--at", place).status == 64)
            try rig.unmount()
        }

        /// Through `control`, by the file's size, and by the command: the device learns it.
        @Test func aDiskThatGrowsTellsItsDevice() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            let loop = try rig.succeed("disk", "attach", "data", "--loop", "--partscan")
            func size() throws -> Int {
                // In sectors of 512 bytes, whatever the device's own are.
                let file = "/sys/block/\((loop as NSString).lastPathComponent)/size"
                let text = try String(contentsOfFile: file, encoding: .utf8)
                return (Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0) >> 11
            }
            try rig.request("ResizeDisk DiskId=data NewSize=96MiB")
            #expect(try size() == 96)
            try Command.succeed("truncate", "-s", "128M", rig.file("data"))
            for _ in 0..<500 {
                if try size() == 128 { break }
                usleep(10_000)
            }
            #expect(try size() == 128)
            try rig.succeed("disk", "resize", "data", "--size", "160MiB")
            #expect(try size() == 160)
            // Under another name it is the same disk.
            try rig.succeed("disk", "detach", "data")
            try rig.succeed("disk", "attach", "data")
            let named = try Command.succeed(
                "losetup", "--show", "-f", rig.mountPoint + "/disks/data")
            try rig.request("ModifyDiskAttribute DiskId=data DiskName=other")
            try rig.request("ResizeDisk DiskId=other NewSize=192MiB")
            #expect(try Command.succeed("blockdev", "--getsize64", named) == "\(192 << 20)")
            try Command.succeed("losetup", "-d", named)
            try rig.unmount()
        }
    }
}
