import Foundation
import Testing

extension MountSuite {
    /// `sealdisk copy`: the way across between encrypted and plain.
    @Suite struct CopyTests {
        /// A folder with what rsync must keep: links, holes, attributes, owners, modes, times.
        private func makeFiles(in place: String) throws {
            try Command.succeed(
                "sh", "-ec",
                """
                cd '\(place)'
                mkdir -p a/b; head -c 3000000 /dev/urandom > a/random; echo text > a/b/text
                ln a/b/text a/hard; ln -s b/text a/soft; truncate -s 1M a/holes; echo x >> a/holes
                chmod 4750 a/b/text; chown 1234:2345 a/random; touch -d 2001-02-03 a/holes
                setfattr -n user.mark -v 'a value' a/random
                """)
        }

        private func expectSame(_ a: String, _ b: String) throws {
            let differences = try Command.succeed(
                "rsync", "-aHAXSnci", "--numeric-ids", "--delete", "--exclude=/lost+found",
                a + "/", b + "/")
            #expect(differences.isEmpty, "\(differences)")
        }

        /// Runs `body` with the disk's file system mounted.
        private func withFiles<R>(
            _ rig: Rig, _ disk: String, make: Bool = false, _ body: (String) throws -> R
        ) throws -> R {
            let loop = try rig.succeed("disk", "attach", disk, "--loop")
            if make { try Command.succeed("mkfs.ext4", "-q", "-F", loop) }
            let place = try rig.makeFolder("mounted-\(disk)")
            try Command.succeed("mount", loop, place)
            defer {
                _ = try? Command.run("umount", [place])
                _ = try? rig.sealdisk("disk", "detach", disk)
            }
            return try body(place)
        }

        /// Nothing that a copy sets up is there any more.
        private func expectNothingLeft(_ rig: Rig, disks: [String]) throws {
            let all = try rig.request("DescribeDisks")["Disks"] as? [String: Any]
            let found = try #require(all?["Disk"] as? [[String: Any]])
            #expect(Set(found.compactMap { $0["Name"] as? String }) == Set(disks))
            #expect(found.allSatisfy { $0["Status"] as? String == "Available" })
            #expect(try rig.request("DescribeSnapshots")["TotalCount"] as? Int == 0)
            #expect(rig.loops().isEmpty)
            let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
            #expect(!mounts.contains("/run/sealdisk-copy/"))
        }

        @Test func fromPlainToEncryptedAndBack() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=plain Size=64MiB")
            try rig.request("CreateDisk DiskName=sealed Size=64MiB Encrypted=true")
            try rig.request("CreateDisk DiskName=again Size=64MiB")
            try withFiles(rig, "plain", make: true) { try makeFiles(in: $0) }
            for (from, to) in [("plain", "sealed"), ("sealed", "again")] {
                let said = try rig.succeed("copy", from, to, "--mkfs", "ext4")
                #expect(said == "Copied \(from) to \(to) and compared it.")
                try expectNothingLeft(rig, disks: ["plain", "sealed", "again"])
            }
            try withFiles(rig, "plain") { plain in
                try withFiles(rig, "again") { try expectSame(plain, $0) }
            }
            try rig.unmount()
        }

        /// What is mounted goes on, and what its file system holds in memory is copied, too.
        @Test func ofADiskInUseItsStateAtThisMoment() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            let folder = try rig.makeFolder("target")
            try withFiles(rig, "data", make: true) { place in
                try makeFiles(in: place)
                try rig.succeed("copy", "data", folder)
                try expectSame(place, folder)
                // A second one deletes what is gone, if that is asked for.
                try Command.succeed("rm", "-r", place + "/a/b")
                try rig.succeed("copy", rig.file("data"), folder, "--delete")
                try expectSame(place, folder)
                try Command.succeed("touch", place + "/still-writable")
            }
            try expectNothingLeft(rig, disks: ["data"])
            try rig.unmount()
        }

        @Test func snapshotsFoldersAndOtherStores() throws {
            let (rig, other) = (try Rig(), try Rig())
            try rig.mount()
            try other.mount()
            let files = try rig.makeFolder("files")
            try makeFiles(in: files)
            try rig.request("CreateDisk DiskName=data Size=64MiB Encrypted=true")
            try rig.succeed(
                "copy", files, "data", "--mkfs", "ext4", "--mount", rig.mountPoint)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            try other.request("CreateDisk DiskName=far Size=320MiB Encrypted=true")
            try rig.succeed(
                "copy", rig.snapshot("monday"), other.file("far"), "--mkfs", "xfs", "--no-verify",
                "--mount", rig.mountPoint)
            try withFiles(other, "far") { try expectSame(files, $0) }
            try rig.request("DeleteSnapshot SnapshotId=monday")
            try expectNothingLeft(rig, disks: ["data"])
            try expectNothingLeft(other, disks: ["far"])
            try rig.unmount()
            try other.unmount()
        }

        /// Ended by a signal it leaves nothing; killed it leaves what the next one takes down.
        @Test(arguments: [SIGTERM, SIGKILL]) func anInterruptedCopyIsFinishedByTheNext(
            signal: Int32
        ) throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateDisk DiskName=data Size=256MiB Encrypted=true")
            try withFiles(rig, "data", make: true) { place in
                try Command.succeed(
                    "sh", "-c", "head -c 120000000 /dev/urandom > '\(place)/large'")
                try makeFiles(in: place)
            }
            let folder = try rig.makeFolder("target")
            let copy = try Command.start(
                Rig.program, ["copy", "data", folder], environment: rig.environment)
            // Until files arrive.
            while try Command.succeed("find", folder, "-type", "f").isEmpty,
                copy.process.isRunning
            {
                usleep(2000)
            }
            kill(copy.process.processIdentifier, signal)
            copy.process.waitUntilExit()
            if signal == SIGKILL {
                try eventually("rsync ends, too") {
                    try Command.run("pgrep", ["-f", "^rsync .*" + folder]).status == 1
                }
            } else {
                try expectNothingLeft(rig, disks: ["data"])
            }
            try rig.succeed("copy", "data", folder)
            try expectNothingLeft(rig, disks: ["data"])
            try withFiles(rig, "data") { try expectSame($0, folder) }
            try rig.unmount()
        }

        @Test func whatCannotBeCopiedIsSaid() throws {
            let rig = try Rig()
            try rig.mount()
            for name in ["blank", "full"] {
                try rig.request("CreateDisk DiskName=\(name) Size=64MiB")
            }
            try withFiles(rig, "full", make: true) { try makeFiles(in: $0) }
            try rig.request("CreateSnapshot DiskId=full SnapshotName=s")
            func refused(_ arguments: String..., status: Int32, saying text: String) throws {
                let outcome = try Command.run(
                    Rig.program, ["copy"] + arguments, environment: rig.environment)
                #expect(outcome.status == status && outcome.errors.contains(text), "\(outcome)")
            }
            try refused("full", "full", status: 2, saying: "to itself")
            try refused("full", rig.file("full"), status: 2, saying: "to itself")
            try refused("full", "s", status: 2, saying: "nothing is written to snapshots")
            try refused("full", "blank", status: 8, saying: "--mkfs ext4")
            try refused("blank", "full", status: 8, saying: "no file system on blank")
            try refused("full", "nope", status: 3, saying: "nope")
            try refused("/nowhere", "full", status: 3, saying: "/nowhere")
            let folder = try rig.makeFolder("files")
            try refused(folder, "full", "--mkfs", "ext4", status: 4, saying: "holds something")
            try rig.request("DeleteSnapshot SnapshotId=s")
            try expectNothingLeft(rig, disks: ["blank", "full"])
            try rig.unmount()
        }
    }
}
